// Two traces side by side: which operations only one has, and where the time differs.

import { address, go } from "./address.js";
import { get } from "./api.js";
import { notShown } from "./not-shown.js";
import { colour, duration, element, operationName, place, plural, serviceName, time } from "./format.js";
import { sortable } from "./sortable.js";
import { buildTree, merge } from "./tree.js";

class CompareView extends HTMLElement {
  connectedCallback() {
    this.load();
  }

  disconnectedCallback() {
    this.gone = true;
  }

  async load() {
    try {
      const one = await read(this.getAttribute("one"));
      const other = this.hasAttribute("other") ? await read(this.getAttribute("other")) : null;
      const shown = other ? compare(one, other) : await choose(one);
      if (!this.gone) this.replaceChildren(...shown);
    } catch (error) {
      this.replaceChildren(notShown("The traces cannot be compared", error));
    }
  }
}

async function read(traceId) {
  const { trace, spans } = await get(`/ui/api/traces/${encodeURIComponent(traceId)}`);
  return { trace, merged: merge(buildTree(spans).roots) };
}

// The traces of the same operation, to choose the other one.
async function choose({ trace }) {
  const { traces } = await get("/ui/api/traces?limit=500");
  const same = traces.filter((each) => each.trace_id !== trace.trace_id
    && each.root_service === trace.root_service && each.root_name === trace.root_name);
  const rest = traces.filter((each) => each.trace_id !== trace.trace_id && !same.includes(each));
  const items = [...same, ...rest].slice(0, 100).map((each) => element("li", {}, element(
    "a", { href: address({ compare: trace.trace_id, with: each.trace_id }), "data-link": true, class: "choice" },
    element("time", {}, time(each.start)),
    element("span", { class: "name" }, element("b", { class: colour(each.root_service) }, serviceName(each.root_service)),
      ` ${operationName(each.root_name)}`),
    element("span", {}, plural(each.spans, "span")),
    element("span", { class: "took" }, duration(each.duration)),
  )));
  return [
    element("div", { class: "title" }, element("h1", {}, "Compare with which trace?"), side("A", trace)),
    items.length ? element("ol", { class: "choices" }, ...items)
      : element("p", { class: "empty" }, "There is no other trace yet."),
  ];
}

function side(letter, trace) {
  return element("p", { class: "facts" },
    element("span", { class: `letter ${letter}` }, letter),
    element("a", { href: address({ trace: trace.trace_id }), "data-link": true },
      element("b", { class: colour(trace.root_service) }, serviceName(trace.root_service)), ` ${operationName(trace.root_name)}`),
    element("strong", {}, duration(trace.duration)),
    element("span", {}, plural(trace.spans, "span")),
    trace.errors ? element("span", { class: "errors" }, plural(trace.errors, "error")) : "",
    element("span", {}, time(trace.start)));
}

function compare(one, other) {
  const rows = differences(one.merged, other.merged);
  const added = rows.filter(({ left }) => !left).length;
  const removed = rows.filter(({ right }) => !right).length;
  const total = Number(other.trace.duration) - Number(one.trace.duration);
  const most = rows.reduce((found, row) => Math.max(found, Math.abs(row.change)), 1);
  return [
    element("div", { class: "title" },
      element("h1", {}, "Comparison"),
      side("A", one.trace), side("B", other.trace),
      element("p", { class: "facts" },
        element("span", {}, total === 0 ? "B took as long as A" : `B took ${duration(Math.abs(total))} ${total > 0 ? "longer" : "less"}`),
        removed ? element("span", {}, `${plural(removed, "path")} only in A`) : "",
        added ? element("span", {}, `${plural(added, "path")} only in B`) : "",
        element("button", { onclick: () => go(address({ compare: other.trace.trace_id, with: one.trace.trace_id })) }, "Swap"))),
    sortable("Differences", [
      {
        title: "Operation, by its path", text: true, value: (row) => row.order,
        show: (row) => name(row),
      },
      { title: "Calls A", value: (row) => calls(row.left), show: (row) => calls(row.left) || "–" },
      { title: "Calls B", value: (row) => calls(row.right), show: (row) => calls(row.right) || "–" },
      { title: "Time A", value: (row) => row.left?.total ?? 0, show: (row) => (row.left ? duration(row.left.total) : "") },
      { title: "Time B", value: (row) => row.right?.total ?? 0, show: (row) => (row.right ? duration(row.right.total) : "") },
      { title: "Difference", value: (row) => row.change, show: (row) => change(row, most) },
    ], rows, 0),
  ];
}

function calls(box) {
  return box?.nodes.length ?? 0;
}

function name(row) {
  const box = row.left ?? row.right;
  const made = element("span", { class: "label" },
    element("b", { class: colour(box.service) }, serviceName(box.service)), ` ${operationName(box.name)}`,
    row.left ? "" : element("span", { class: "letter B" }, "only B"),
    row.right ? "" : element("span", { class: "letter A" }, "only A"),
    (row.left?.errors ?? 0) < (row.right?.errors ?? 0) ? element("span", { class: "errors" }, " fails in B") : "",
    (row.left?.errors ?? 0) > (row.right?.errors ?? 0) ? element("span", { class: "errors" }, " fails in A") : "");
  made.style.paddingInlineStart = `${Math.min(row.depth, 24) * 0.9}rem`;
  return made;
}

function change(row, most) {
  const part = Math.abs(row.change) / most / 2;
  const bar = element("span", { class: row.change > 0 ? "slower" : "faster" });
  place(bar, row.change > 0 ? 0.5 : 0.5 - part, part);
  return element("span", { class: "difference" },
    element("span", { class: "track" }, part > 0.001 ? bar : ""),
    `${row.change > 0 ? "+" : ""}${duration(row.change)}`);
}

// The paths of both, in the order of the first; what only the other has comes after its siblings.
function differences(left, right) {
  const rows = [];
  const pending = [[left, right, -1]];
  while (pending.length) {
    const [one, other, depth] = pending.pop();
    if (depth >= 0) {
      const row = { left: one, right: other, depth, order: rows.length };
      row.change = (other?.total ?? 0) - (one?.total ?? 0);
      rows.push(row);
    }
    const keys = new Set([...(one?.children.keys() ?? []), ...(other?.children.keys() ?? [])]);
    for (const key of [...keys].reverse()) {
      pending.push([one?.children.get(key), other?.children.get(key), depth + 1]);
    }
  }
  return rows;
}

customElements.define("compare-view", CompareView);
