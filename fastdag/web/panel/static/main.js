// The page: which route is looked at, and who shows what of the data that comes in.

import { byId, el, facts, keyed, ms, percent, say } from "./dom.js";
import { describeUpstream, Drawer } from "./drawer.js";
import { GraphView } from "./graph.js";
import { Requests } from "./requests.js";
import { Stream } from "./stream.js";
import { Times } from "./times.js";

const SETTLED = 200;
const LINK = { live: "live", lost: "no connection", waiting: "connecting" };

let current = null; // the key of the route that is shown
let about = null; // what was last told of it, its graph included
let timer = 0;

const drawer = new Drawer(byId("drawer"), () => {
  graph.mark(drawer.id);
  showDrawer();
});
const graph = new GraphView(byId("graph"), (id) => drawer.open(id));
const times = new Times(byId("times"), byId("what-if"), () => later(connect), (id) => drawer.open(id));
const requests = new Requests(byId("requests"), byId("hold"), byId("waterfall"));
const stream = new Stream(show, (state) => {
  byId("link").dataset.state = state;
  say(byId("link"), LINK[state]);
});

const wanted = () => decodeURIComponent(location.hash.slice(1)).replace(/^main$/, current ?? "");

function later(what) {
  clearTimeout(timer);
  timer = setTimeout(what, SETTLED);
}

function connect() {
  const route = wanted() || current;
  stream.open(route, route === current ? times.faster : []); // the sliders are those of the route that is shown
}

function show(data) {
  say(byId("worker"), `worker ${data.worker}, ${data.in_flight} in flight`);
  showRoutes(data.routes, data.route?.key);
  byId("route").hidden = !data.route;
  byId("empty").hidden = Boolean(data.route);
  if (!data.route) {
    say(byId("empty"), data.routes.length ? "There is no such route; choose another one." : "This app has no graphs yet: add one with app.add_graph(path, graph).");
    return;
  }
  if (data.route.key !== current) begin(data.route.key);
  showRoute(data.route, data.routes.find((route) => route.key === current));
}

function begin(key) {
  current = key;
  about = null;
  drawer.close();
  times.forget();
  requests.forget();
  document.title = `${key} · fastdag`;
  say(byId("title"), key);
}

function showRoutes(routes, chosen) {
  const nav = byId("routes");
  if (!nav.firstChild) nav.append(el("ul"));
  keyed(nav.firstChild, routes, (route) => route.key, makeRoute, (item, route) => {
    const link = item.firstChild;
    if (route.key === chosen) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    const [rate, p95, wrong] = item.querySelectorAll(".facts span");
    say(rate, `${route.rate.toFixed(1)}/s`);
    say(p95, route.requests ? `p95 ${ms(route.p95)}` : "no requests");
    say(wrong, route.errors ? `${route.errors} failed` : "");
  });
}

function makeRoute(route) {
  return el(
    "li",
    {},
    el(
      "a",
      { href: `#${encodeURIComponent(route.key)}` },
      el("span", { class: "code" }, el("span", { class: "method" }, `${route.methods.join(",")} `), route.path),
      el("span", { class: "facts" }, el("span"), el("span"), el("span", { class: "bad" })),
    ),
  );
}

function showRoute(route, summary) {
  if (route.graph) {
    graph.draw(route.graph);
    say(byId("graph-about"), `${route.graph.id}, ${route.graph.nodes.length} nodes, ${route.graph.timeout ? `at most ${ms(route.graph.timeout)}` : "no time limit"}`);
  }
  about = { ...about, ...route };
  requests.add(route.requests);
  byId("none").hidden = summary.requests > 0;
  for (const id of ["some", "time", "hold"]) byId(id).hidden = !summary.requests;
  showTiles(summary);
  graph.update(reports(), upstreams());
  graph.mark(drawer.id);
  times.update(about.report?.nodes ?? [], about.what_if);
  keyed(byId("upstreams"), about.upstreams, (upstream) => upstream.name, () => el("li"), showUpstream);
  showDrawer();
}

const reports = () => new Map((about?.report?.nodes ?? []).map((node) => [node.id, node]));
const upstreams = () => new Map((about?.upstreams ?? []).map((upstream) => [upstream.name, upstream]));

function showTiles(summary) {
  const share = (count) => (summary.requests ? percent(count / summary.requests) : "–");
  const tiles = [
    ["Requests", `${summary.rate.toFixed(1)}/s`],
    ["p50", summary.requests ? ms(summary.p50) : "–"],
    ["p95", summary.requests ? ms(summary.p95) : "–"],
    ["Failed", share(summary.errors), summary.errors ? "bad" : ""],
    ["Partial", share(summary.partial), summary.partial ? "warn" : ""],
    ["Of the last", String(summary.requests)],
  ];
  keyed(byId("tiles"), tiles, ([name]) => name, ([name]) => el("div", {}, el("dt", {}, name), el("dd")), (tile, [, value, good]) => {
    say(tile.lastChild, value);
    tile.lastChild.className = good ?? "";
  });
}

function showUpstream(item, upstream) {
  const hosts = upstream.hosts.map(({ url }) => el("span", { class: "code" }, url));
  item.replaceChildren(el("strong", {}, upstream.name), ...hosts, el("dl", { class: "facts-list" }, ...facts(describeUpstream(upstream))));
}

function showDrawer() {
  const node = about?.graph?.nodes.find((one) => one.id === drawer.id);
  if (node) drawer.update(node, reports().get(node.id), upstreams().get(node.upstream), requests.all);
}

addEventListener("hashchange", () => {
  if (wanted() !== current) {
    times.forget();
    connect();
  }
});
// Nobody looks: the service need not tell.
document.addEventListener("visibilitychange", () => (document.hidden ? stream.close() : connect()));
connect();
