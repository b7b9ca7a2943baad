// One node: what it was declared to do, how it does, and its last calls.

import { clock, el, ended, facts, ms, percent, spaced } from "./dom.js";
import { errorsOf, hits } from "./graph.js";

const SHOWN = 25;

export class Drawer {
  #id = null;
  #opener = null;

  constructor(place, onChange) {
    this.place = place;
    this.onChange = onChange;
    this.title = el("h2", { id: "drawer-title" });
    this.body = el("div");
    this.shut = el("button", { type: "button", "aria-label": "Close", onclick: () => this.close() }, "Close");
    place.append(el("header", {}, this.title, this.shut), this.body);
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.#id !== null) this.close();
    });
  }

  get id() {
    return this.#id;
  }

  open(id) {
    if (this.#id === null) this.#opener = document.activeElement;
    this.#id = id;
    this.title.textContent = id;
    this.place.hidden = false;
    this.shut.focus();
    this.onChange();
  }

  /** Closes it, and gives the focus back to what opened it. */
  close() {
    if (this.#id === null) return;
    this.#id = null;
    this.place.hidden = true;
    this.onChange();
    this.#opener?.focus();
  }

  update(node, report, upstream, requests) {
    this.body.replaceChildren(
      el("dl", { class: "facts-list" }, ...facts(declared(node))),
      el("h3", {}, "Last runs"),
      el("dl", { class: "facts-list" }, ...facts(measured(report))),
      ...(upstream ? [el("h3", {}, `Upstream ${upstream.name}`), el("dl", { class: "facts-list" }, ...facts(describeUpstream(upstream)))] : []),
      el("h3", {}, "Last calls"),
      calls(node.id, requests),
    );
  }
}

function declared(node) {
  return [
    ["Kind", node.kind === "FunctionNode" ? "function" : node.kind],
    ["Asks", node.upstream],
    ["Call", node.call && el("code", {}, node.call)],
    ["Timeout", node.timeout ? ms(node.timeout) : "the run's"],
    ["Failure", node.optional ? "optional: the answer goes without it" : "required, unless a fallback answers"],
    ["Output", node.output === null ? "" : node.output || "at the root"],
    ["Runs", node.condition],
  ];
}

function measured(report) {
  if (!report) return [["", "none yet"]];
  return [
    ["p50, p95", `${ms(report.p50)}, ${ms(report.p95)}`],
    ["Errors", percent(errorsOf(report))],
    ["Ended", Object.entries(report.states).map(([state, count]) => `${count} ${state}`).join(", ")],
    ["Critical path", `${percent(report.critical)} of the runs${report.critical ? `, ${ms(report.cost)} each` : ""}`],
  ];
}

export function describeUpstream(upstream) {
  const { bulkhead, cache } = upstream;
  return [
    ...upstream.hosts.map(({ url, breaker }) => [
      upstream.hosts.length > 1 ? new URL(url).host || url : "Breaker",
      breaker ? `${spaced(breaker.state)}, ${breaker.half_open_in ? `tries again in ${ms(breaker.half_open_in)}` : `${breaker.failures} of ${breaker.calls} failed`}` : "off",
    ]),
    ["In flight", bulkhead ? `${bulkhead.in_flight} of ${bulkhead.limit}${bulkhead.waiting ? `, ${bulkhead.waiting} waiting` : ""}${bulkhead.rejected ? `, ${bulkhead.rejected} rejected` : ""}` : ""],
    ["Cache", cache ? describeCache(cache) : "off"],
  ];
}

function describeCache(cache) {
  const share = hits(cache);
  return [
    share === null ? "not asked yet" : `${percent(share)} hits`,
    cache.entries === null ? "" : `${cache.entries} entries, ${Math.ceil(cache.bytes / 1024)} KiB`,
    cache.reachable === false ? "its server cannot be reached" : "",
  ].filter(Boolean).join(", ");
}

function calls(id, requests) {
  const rows = requests.flatMap((request) => {
    const visit = request.nodes.find((node) => node.id === id);
    if (!visit) return [];
    const made = request.calls.filter((call) => call.node === id);
    const how = ended(visit);
    const took = visit.started === null ? null : visit.ended - visit.started;
    return (made.length ? made : [null]).map((call) => ({ request, call, how, took: call ? call.elapsed : took, good: visit.state === "ok" }));
  });
  if (!rows.length) return el("p", { class: "quiet" }, "None yet.");
  return el(
    "table",
    {},
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Request"), el("th", { scope: "col" }, "Call"), el("th", { scope: "col", class: "number" }, "Took"))),
    el(
      "tbody",
      {},
      ...rows.slice(0, SHOWN).map(({ request, call, how, took, good }) =>
        el(
          "tr",
          { title: request.id },
          el("td", { class: "number" }, clock(request.started)),
          el("td", { class: good ? "" : "bad" }, [call && `${call.method} ${call.upstream} ${call.status || spaced(call.reason)}`, call?.reason ? "" : how].filter(Boolean).join(", ") || "ok"),
          el("td", { class: "number" }, ms(took)),
        ),
      ),
    ),
  );
}
