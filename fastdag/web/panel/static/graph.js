// The graph of a route: laid out by dagre when it changes, and brought up to date in place.

import { ms, percent, say, spaced, svg } from "./dom.js";
import * as dagre from "./dagre.js";

const WIDTH = 178;
const HEIGHT = 66;
const OFTEN = 0.5;

/** What to think of a node: its errors, and the breakers of the upstream that it asks. */
function health(errors, upstream) {
  const breakers = (upstream?.hosts ?? []).map((host) => host.breaker?.state ?? "closed");
  if (errors >= 0.5 || breakers.includes("open") || breakers.includes("forced_open")) return "bad";
  return errors > 0 || breakers.some((state) => state !== "closed") ? "warn" : "good";
}

export function errorsOf(node) {
  const { failed = 0, fallback = 0, skipped = 0 } = node.states;
  const ran = node.runs - skipped;
  return ran > 0 ? (failed + fallback) / ran : 0;
}

/** The share of calls that a cache answered, stale or not; null if it was not asked. */
export function hits({ hit, stale, miss }) {
  return hit + stale + miss ? (hit + stale) / (hit + stale + miss) : null;
}

/** What an upstream's breaker and cache do, in two or three words. */
function stateOf(upstream) {
  if (!upstream) return "";
  const breakers = upstream.hosts.map((host) => host.breaker?.state).filter((state) => state && state !== "closed");
  const share = upstream.cache ? hits(upstream.cache) : null;
  return [
    breakers.length ? `breaker ${spaced(breakers[0])}` : "",
    share === null ? "" : `cache ${percent(share)}`,
  ].filter(Boolean).join(", ");
}

const shorter = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

function layout(graph) {
  const laid = new dagre.Graph({ multigraph: true }).setGraph({ rankdir: "LR", nodesep: 16, ranksep: 52, marginx: 6, marginy: 6 });
  laid.setDefaultEdgeLabel(() => ({}));
  for (const node of graph.nodes) laid.setNode(node.id, { width: WIDTH, height: HEIGHT });
  for (const edge of graph.edges) laid.setEdge(edge.parent, edge.child, {}, edge.kind);
  dagre.layout(laid);
  return laid;
}

/** A smooth line from the right of a parent to the left of a child, on the way that the layout found for it. */
function line(parent, way, child) {
  const between = way.length > 3 ? way.slice(1, -1) : [];
  const points = [{ x: parent.x + WIDTH / 2, y: parent.y }, ...between, { x: child.x - WIDTH / 2, y: child.y }];
  const curves = points.slice(1).map((to, i) => {
    const middle = (points[i].x + to.x) / 2;
    return `C${middle},${points[i].y} ${middle},${to.y} ${to.x},${to.y}`;
  });
  return `M${points[0].x},${points[0].y}${curves.join("")}`;
}

export class GraphView {
  #nodes = new Map();
  #edges = [];

  constructor(place, onChoose) {
    this.place = place;
    this.onChoose = onChoose;
  }

  draw(graph) {
    const laid = layout(graph);
    const { width, height } = laid.graph();
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `${graph.id}: ${graph.nodes.length} nodes` });
    // As wide as it is, a little narrower if need be; then it scrolls.
    picture.style.width = `${width}px`;
    picture.style.maxWidth = "100%";
    picture.style.minWidth = `${Math.min(width, Math.max(width * 0.72, 320))}px`;
    const arrow = svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, markerUnits: "userSpaceOnUse", orient: "auto" }, svg("path", { d: "M0,0 8,4 0,8z" }));
    picture.append(svg("defs", {}, arrow));
    this.#edges = graph.edges.map((edge) => {
      const { points } = laid.edge(edge.parent, edge.child, edge.kind);
      const path = svg("path", { class: "edge", d: line(laid.node(edge.parent), points, laid.node(edge.child)), "marker-end": "url(#arrow)" });
      path.classList.toggle("optional", edge.optional || edge.kind !== "data");
      path.append(svg("title", {}, `${edge.parent} → ${edge.child}${edge.kind === "data" ? "" : ` (${edge.kind})`}`));
      return { edge, path };
    });
    this.#nodes = new Map(graph.nodes.map((node) => [node.id, this.#node(node, laid.node(node.id))]));
    picture.append(...this.#edges.map(({ path }) => path), ...[...this.#nodes.values()].map(({ group }) => group));
    this.place.replaceChildren(picture);
  }

  #node(node, { x, y }) {
    const what = svg("text", { x: 12, y: 38 });
    const numbers = svg("text", { class: "numbers", x: 12, y: 54 });
    const share = svg("rect", { class: "share", x: 8, y: HEIGHT - 5, width: 0, height: 3, rx: 1.5 });
    const group = svg(
      "g",
      {
        class: "node",
        transform: `translate(${x - WIDTH / 2},${y - HEIGHT / 2})`,
        role: "button",
        tabindex: 0,
        "aria-haspopup": "dialog",
        "aria-expanded": "false",
        "data-node": node.id,
        onclick: () => this.onChoose(node.id),
        onkeydown: (event) => this.#key(event, node.id),
      },
      svg("title", {}, node.id),
      svg("rect", { class: "box", width: WIDTH, height: HEIGHT, rx: 8 }),
      svg("rect", { class: "track", x: 8, y: HEIGHT - 5, width: WIDTH - 16, height: 3, rx: 1.5 }),
      svg("text", { class: "name", x: 12, y: 21 }, shorter(node.id, 19)),
      svg("circle", { class: "lamp", cx: WIDTH - 14, cy: 17, r: 4 }),
      what,
      numbers,
      share,
    );
    return { node, group, what, numbers, share, x, y };
  }

  update(reports, upstreams) {
    for (const { node, group, what, numbers, share } of this.#nodes.values()) {
      const report = reports.get(node.id);
      const upstream = upstreams.get(node.upstream);
      const errors = report ? errorsOf(report) : 0;
      const state = stateOf(upstream);
      const kind = node.upstream || (node.sink ? "after the answer" : "function");
      const times = report ? `p50 ${ms(report.p50)}, p95 ${ms(report.p95)}` : "not run yet";
      group.dataset.health = report ? health(errors, upstream) : "unknown";
      say(what, shorter(state ? `${kind} · ${state}` : kind, 30));
      say(numbers, shorter(errors ? `${times.replace(/p50 .*, /, "")} · ${percent(errors)} errors` : times.replace(", ", " · "), 30));
      share.setAttribute("width", (report?.critical ?? 0) * (WIDTH - 16));
      group.setAttribute("aria-label", `${node.id}, ${kind}${state ? `, ${state}` : ""}, ${times}, ${percent(errors)} errors`);
    }
    const often = (id) => (reports.get(id)?.critical ?? 0) >= OFTEN;
    for (const { edge, path } of this.#edges) path.classList.toggle("critical", often(edge.parent) && often(edge.child));
  }

  mark(id) {
    for (const { node, group } of this.#nodes.values()) group.setAttribute("aria-expanded", String(node.id === id));
  }

  focus(id) {
    this.#nodes.get(id)?.group.focus();
  }

  /** Enter and space open a node; arrows go to the nearest one in that direction. */
  #key(event, id) {
    const direction = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.onChoose(id);
    } else if (direction) {
      event.preventDefault();
      const from = this.#nodes.get(id);
      const far = (to) => {
        const [dx, dy] = [to.x - from.x, to.y - from.y];
        const along = dx * direction[0] + dy * direction[1];
        const aside = Math.abs(dx * direction[1]) + Math.abs(dy * direction[0]);
        return along > 1 ? along + 2 * aside : Infinity;
      };
      const nearest = [...this.#nodes.values()].reduce((best, to) => (far(to) < far(best) ? to : best), from);
      if (far(nearest) < Infinity) nearest.group.focus();
    }
  }
}
