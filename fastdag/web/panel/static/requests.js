// The last requests of a route, and the waterfall of one of them.

import { clock, el, ended, keyed, ms, say } from "./dom.js";

const KEPT = 50;

/** How a request's answer was, in a word, and how good that is. */
export function answered(request) {
  if (request.status === 499) return ["client left", "warn"];
  if (request.status >= 500) return ["failed", "bad"];
  return request.complete ? ["complete", "good"] : ["partial", "warn"];
}

export class Requests {
  #all = [];
  #chosen = null;
  #held = false;

  constructor(rows, hold, place) {
    this.rows = rows;
    this.hold = hold;
    this.place = place;
    hold.addEventListener("click", () => this.#toggle());
  }

  get all() {
    return this.#all;
  }

  forget() {
    this.#all = [];
    this.#chosen = null;
    if (this.#held) this.#toggle();
    this.rows.replaceChildren();
    this.place.replaceChildren();
  }

  add(requests) {
    if (!requests.length) return;
    const numbers = new Set(requests.map((request) => request.number));
    this.#all = [...[...requests].reverse(), ...this.#all.filter((request) => !numbers.has(request.number))].slice(0, KEPT);
    if (!this.#held) this.#show();
  }

  #toggle() {
    this.#held = !this.#held;
    this.hold.setAttribute("aria-pressed", String(this.#held));
    say(this.hold, this.#held ? "Go on" : "Pause");
    if (!this.#held) this.#show();
  }

  /** The one that was chosen stays, also when it is older than all that are listed; else the newest is shown. */
  #show() {
    const shown = this.#chosen ?? this.#all[0];
    keyed(this.rows, this.#all, (request) => request.number, (request) => this.#row(request), (row, request) => {
      row.classList.toggle("chosen", request.number === shown?.number);
      row.querySelector("button").setAttribute("aria-pressed", String(request.number === shown?.number));
    });
    if (shown && this.place.dataset.number !== String(shown.number)) {
      this.place.dataset.number = shown.number;
      this.place.replaceChildren(...waterfall(shown));
    }
  }

  #row(request) {
    const [word, good] = answered(request);
    const choose = () => {
      this.#chosen = request;
      this.#show();
    };
    return el(
      "tr",
      { onclick: choose },
      el("td", {}, el("button", { class: "plain", type: "button" }, clock(request.started))),
      el("td", { class: request.status >= 500 ? "bad" : "" }, String(request.status)),
      el("td", { class: "number" }, ms(request.elapsed)),
      el("td", { class: good }, word),
      el("td", { class: "code quiet", title: request.id }, request.id),
    );
  }
}

function waterfall(request) {
  const [word, good] = answered(request);
  const whole = Math.max(request.elapsed, ...request.nodes.map((node) => node.ended), 1e-6);
  const critical = new Set(request.critical);
  const nodes = [...request.nodes].sort((a, b) => (a.started ?? Infinity) - (b.started ?? Infinity));
  return [
    el("p", { class: "head" }, el("strong", {}, `${request.method} ${request.status} `), `${ms(request.elapsed)}, `, el("span", { class: good }, word), " ", el("code", { class: "quiet" }, request.id)),
    el(
      "table",
      { class: "fall" },
      el("caption", { hidden: true }, "Nodes by start"),
      el("thead", {}, el("tr", {}, el("th", { scope: "row" }, "Node"), el("td", {}, scale(whole)), el("td", { class: "number" }))),
      el("tbody", {}, ...nodes.map((node) => lane(node, whole, critical.has(node.id), request.calls.filter((call) => call.node === node.id)))),
    ),
    notes(request),
  ];
}

function scale(whole) {
  return el("div", { class: "scale", "aria-hidden": "true" }, ...[0, 0.25, 0.5, 0.75, 1].map((share) => at(el("span", {}, share ? ms(whole * share) : "0"), share)));
}

function at(element, start, width) {
  element.style.left = `${Math.min(100, Math.max(0, start * 100))}%`;
  if (width !== undefined) element.style.width = `${Math.min(100 - start * 100, width * 100)}%`;
  return element;
}

function lane(node, whole, critical, calls) {
  const took = node.started === null ? null : node.ended - node.started;
  const how = ended(node);
  const bars = calls.map((call) => at(el("span", { class: "call", title: `${call.upstream}: ${call.method} ${call.status || call.reason}, ${ms(call.elapsed)}` }), call.started / whole, call.elapsed / whole));
  if (took !== null) bars.unshift(at(el("span", { class: `${node.state}${critical ? " critical" : ""}`, title: `${node.id}: ${ms(took)} ${how}` }), node.started / whole, took / whole));
  if (how) bars.push(label(how, node, whole));
  return el(
    "tr",
    {},
    el("th", { scope: "row", title: node.id }, node.id),
    el("td", {}, el("div", { class: "lane" }, ...bars)),
    el("td", { class: "number" }, took === null ? "–" : ms(took)),
  );
}

/** How a node ended, beside its bar, on the side where there is room. */
function label(how, node, whole) {
  const [from, to] = [(node.started ?? node.ended) / whole, node.ended / whole];
  const element = el("em", { class: { fallback: "warn", failed: "bad" }[node.state] ?? "quiet" }, how);
  if (to <= 0.5) element.style.left = `${to * 100}%`;
  else element.style.right = `${Math.max(0, 1 - from) * 100}%`;
  return element;
}

function notes(request) {
  const lines = request.events
    .filter((event) => event.name !== "cache.miss")
    .map((event) => `${ms(event.at)}: ${event.name}${event.upstream ? `, ${event.upstream}` : ""}${event.node ? `, ${event.node}` : ""}${event.why ? ` (${event.why})` : ""}`);
  if (request.left_out) lines.push(`${request.left_out} more calls and events`);
  return el("ul", { class: "notes" }, ...lines.map((line) => el("li", {}, line)));
}
