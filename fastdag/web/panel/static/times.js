// Where the time of a route goes, a row per node, and sliders that ask what it would be if nodes were faster.

import { el, keyed, ms, percent, say } from "./dom.js";
import { errorsOf } from "./graph.js";

export class Times {
  #faster = new Map();

  constructor(rows, answer, onChange, onChoose) {
    this.rows = rows;
    this.answer = answer;
    this.onChange = onChange;
    this.onChoose = onChoose;
    this.text = el("span");
    this.button = el("button", { type: "button", onclick: () => this.reset() }, "Reset");
    answer.append(this.text, this.button);
  }

  get faster() {
    return this.#faster;
  }

  forget() {
    this.#faster = new Map();
    this.rows.replaceChildren();
  }

  reset() {
    this.#faster = new Map();
    for (const slider of this.rows.querySelectorAll("input")) this.#show(slider, 0);
    this.onChange();
  }

  update(nodes, whatIf) {
    const sorted = [...nodes].sort((a, b) => b.share - a.share);
    // Rows do not jump away under a hand: the order is that of the first sight.
    const order = [...this.rows.children].map((row) => row.dataset.key);
    const known = new Map(sorted.map((node) => [node.id, node]));
    const kept = order.filter((id) => known.has(id)).map((id) => known.get(id));
    keyed(this.rows, [...kept, ...sorted.filter((node) => !order.includes(node.id))], (node) => node.id, (node) => this.#row(node), update);
    this.#say(whatIf);
  }

  #row(node) {
    const slider = el("input", {
      type: "range", min: 0, max: 100, step: 5, value: this.#faster.get(node.id) ?? 0, "aria-label": `${node.id}: faster by`,
      oninput: () => {
        this.#show(slider, Number(slider.value));
        if (Number(slider.value)) this.#faster.set(node.id, Number(slider.value));
        else this.#faster.delete(node.id);
        this.onChange();
      },
    });
    const row = el(
      "tr",
      {},
      el("th", { scope: "row" }, el("button", { class: "plain code", type: "button", onclick: () => this.onChoose(node.id) }, node.id)),
      ...["p50", "p95", "errors"].map(() => el("td", { class: "number" })),
      el("td", {}, el("span", { class: "meter" }, el("i", {}, el("b")), el("span"))),
      el("td", { class: "number" }),
      el("td", {}, el("span", { class: "slider" }, slider, el("output"))),
    );
    this.#show(slider, Number(slider.value), row);
    return row;
  }

  #show(slider, value, row = slider.closest("tr")) {
    slider.value = value;
    slider.setAttribute("aria-valuetext", `${value} per cent`);
    say(row.querySelector("output"), `${value} %`);
  }

  #say(whatIf) {
    this.answer.classList.toggle("set", Boolean(whatIf));
    this.button.hidden = !this.#faster.size;
    say(
      this.text,
      whatIf
        ? `p50 ${ms(whatIf.p50)} → ${ms(whatIf.p50_then)}, p95 ${ms(whatIf.p95)} → ${ms(whatIf.p95_then)}, as the last ${whatIf.runs} runs would have gone`
        : this.#faster.size ? "computing…" : "Move a slider: the last runs are gone through again with that node faster.",
    );
  }
}

function update(row, node) {
  const [, p50, p95, errors, critical, cost] = row.children;
  const wrong = errorsOf(node);
  say(p50, ms(node.p50));
  say(p95, ms(node.p95));
  say(errors, percent(wrong));
  errors.classList.toggle("bad", wrong > 0);
  critical.querySelector("b").style.width = `${node.critical * 100}%`;
  say(critical.querySelector("span > span"), percent(node.critical));
  say(cost, node.critical ? ms(node.cost) : "–");
}
