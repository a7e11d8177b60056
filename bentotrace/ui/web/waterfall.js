// The waterfall of a trace; only the rows in sight are in the document.

import { colour, duration, element, operationName, place, plural, serviceName } from "./format.js";
import { Minimap } from "./minimap.js";
import { layOut } from "./tree.js";

export const ROW = 26;
const MARGIN = 12;

export class Waterfall {
  // tree: of buildTree(); total: of the trace; chosen(node): called when a row is selected.
  constructor(tree, total, chosen) {
    Object.assign(this, { tree, total: Math.max(total, 1), chosen });
    this.collapsed = new Set();
    this.openGroups = new Set();
    this.from = 0;
    this.to = this.total;
    this.selected = 0;
    this.matches = null;
    this.drawn = new Map();
    this.space = element("div", { class: "space" });
    this.scroller = element("div", {
      class: "waterfall", role: "tree", tabindex: "0", "aria-label": "Spans",
    }, this.space);
    this.scroller.addEventListener("scroll", () => this.onScroll(), { passive: true });
    this.space.addEventListener("click", (event) => this.onClick(event));
    this.ruler = element("div", { class: "ruler", "aria-hidden": "true" });
    this.minimap = new Minimap(tree.nodes, this.total, (from, to) => this.zoom(from, to));
    this.element = element("div", { class: "spans" }, this.minimap.element, this.ruler, this.scroller);
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.scroller);
    this.update();
    this.zoom(0, this.total);
  }

  // Lays the rows out again; the selected span stays selected.
  update() {
    const node = this.rows?.[this.selected]?.node;
    this.rows = layOut(this.tree.roots, this.collapsed, this.openGroups);
    const at = this.rows.findIndex((row) => row.node === node && !row.group);
    this.selected = at >= 0 ? at : Math.min(this.selected, this.rows.length - 1);
    this.scroller.style.setProperty("--rows", `${this.rows.length * ROW}px`);
    this.redraw();
  }

  redraw() {
    for (const made of this.drawn.values()) made.remove();
    this.drawn.clear();
    this.draw();
  }

  zoom(from, to) {
    this.from = Math.max(from, 0);
    this.to = Math.min(Math.max(to, this.from + 1), this.total);
    const length = this.to - this.from;
    this.ruler.replaceChildren(...[0, 1, 2, 3, 4].map((part) => {
      const mark = element("span", {}, duration(this.from + (length * part) / 4, length / 4));
      mark.style.insetInlineStart = `${part * 25}%`;
      return mark;
    }));
    this.minimap.show(this.from, this.to);
    this.redraw();
  }

  onScroll() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      this.draw();
    });
  }

  draw() {
    const { scrollTop, clientHeight } = this.scroller;
    const first = Math.max(Math.floor(scrollTop / ROW) - MARGIN, 0);
    const last = Math.min(Math.ceil((scrollTop + clientHeight) / ROW) + MARGIN, this.rows.length);
    for (const [index, made] of this.drawn) {
      if (index >= first && index < last) continue;
      made.remove();
      this.drawn.delete(index);
    }
    const added = document.createDocumentFragment();
    for (let index = first; index < last; index += 1) {
      if (this.drawn.has(index)) continue;
      const made = this.row(this.rows[index], index);
      this.drawn.set(index, made);
      added.append(made);
    }
    this.space.append(added);
  }

  row(row, index) {
    const { node, group, depth, open } = row;
    const { span } = node;
    const members = group ?? [node];
    const failed = members.some((each) => each.span.status === "error");
    const expandable = group || node.children.length;
    const took = group ? members.reduce((sum, each) => sum + each.end - each.start, 0) : node.end - node.start;
    const label = element("span", { class: "label" },
      element("span", { class: "toggle", "aria-hidden": "true" }, expandable ? (open ? "▾" : "▸") : ""),
      group ? element("span", { class: "times" }, `${group.length} ×`) : "",
      element("b", { class: colour(span.service) }, serviceName(span.service)),
      element("span", { class: "operation" }, operationName(span.name)),
      failed ? element("span", { class: "mark", title: "failed", "aria-label": "failed" }, "!") : "",
      !group && span.links ? element("span", { class: "linked", title: plural(span.links, "link") }, "↗") : "");
    label.style.paddingInlineStart = `${0.4 + Math.min(depth, 24) * 0.8}rem`;
    const dimmed = this.matches && !members.some((each) => this.matches.has(each));
    const made = element("div", {
      class: ["row", failed && "failed", dimmed && "dimmed", group && "group"].filter(Boolean).join(" "),
      role: "treeitem", id: `row-${index}`, "data-index": index,
      "aria-level": depth + 1, "aria-selected": String(index === this.selected),
      "aria-expanded": expandable ? String(Boolean(open)) : undefined,
    }, label, element("span", { class: "track" }, ...this.bars(row, members)),
    element("span", { class: "took", title: group ? "all together" : undefined }, duration(took)));
    made.style.insetBlockStart = `${index * ROW}px`;
    return made;
  }

  // A span's bar: pale where its children run, strong where it works or waits itself.
  bars({ node, group, open }, members) {
    const made = [];
    for (const each of members.slice(0, 500)) {
      const bar = this.bar(each.start, each.end, `span ${colour(each.span.service)}`);
      if (!bar) continue;
      made.push(bar);
      if (group) continue;
      for (const [start, end] of node.covered) {
        const part = open ? this.bar(start, end, "child") : null;
        if (part && end - start > (this.to - this.from) / 2000) made.push(part);
      }
    }
    for (const each of members.slice(0, 500)) {
      for (const [start, end] of each.critical) {
        const part = this.bar(start, end, "critical");
        if (part) made.push(part);
      }
    }
    return made;
  }

  bar(start, end, name) {
    if (end < this.from || start > this.to) return null;
    const length = this.to - this.from;
    const low = Math.max(start, this.from);
    const high = Math.min(end, this.to);
    return place(element("span", { class: name }), (low - this.from) / length, (high - low) / length);
  }

  onClick(event) {
    const index = Number(event.target.closest(".row")?.dataset.index ?? -1);
    if (index < 0) return;
    if (event.target.closest(".toggle") || this.rows[index].group) this.toggle(index);
    this.select(index, false);
  }

  toggle(index, open = !this.rows[index].open) {
    const { node, group } = this.rows[index];
    const closed = group ? !open : open;
    const set = group ? this.openGroups : this.collapsed;
    const member = group ? group[0] : node;
    if (closed) set.delete(member);
    else set.add(member);
    this.update();
  }

  collapseAll(collapse) {
    this.collapsed = new Set(collapse ? this.tree.nodes.filter((node) => node.children.length && node.depth > 0) : []);
    this.openGroups = new Set(collapse ? [] : this.tree.nodes);
    this.update();
  }

  select(index, reveal = true) {
    const row = this.rows[index];
    if (!row) return;
    this.drawn.get(this.selected)?.setAttribute("aria-selected", "false");
    this.selected = index;
    const { scrollTop, clientHeight } = this.scroller;
    if (reveal && index * ROW < scrollTop) this.scroller.scrollTop = index * ROW;
    if (reveal && (index + 1) * ROW > scrollTop + clientHeight) {
      this.scroller.scrollTop = (index + 1) * ROW - clientHeight;
    }
    this.draw();
    this.drawn.get(index)?.setAttribute("aria-selected", "true");
    this.scroller.setAttribute("aria-activedescendant", `row-${index}`);
    this.chosen(row.node);
  }

  // Opens what hides a span, and selects it.
  reveal(node) {
    for (let above = node.parent; above; above = above.parent) this.collapsed.delete(above);
    const line = [];
    for (let each = node; each; each = each.parent) line.push(each);
    let found;
    do {
      this.update();
      found = this.rows.find(({ group }) => group && !this.openGroups.has(group[0])
        && group.some((each) => line.includes(each)));
      if (found) this.openGroups.add(found.group[0]);
    } while (found);
    this.select(this.rows.findIndex((row) => row.node === node && !row.group));
  }

  onKey(event) {
    const page = Math.max(Math.floor(this.scroller.clientHeight / ROW) - 1, 1);
    const steps = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page };
    const last = this.rows.length - 1;
    const { node, open, depth } = this.rows[this.selected] ?? {};
    if (!node) return false;
    if (event.key in steps) this.select(Math.min(Math.max(this.selected + steps[event.key], 0), last));
    else if (event.key === "Home") this.select(0);
    else if (event.key === "End") this.select(last);
    else if (event.key === "ArrowLeft" && open) this.toggle(this.selected, false);
    else if (event.key === "ArrowLeft") this.select(this.rows.findLastIndex((row, at) => at < this.selected && row.depth < depth));
    else if (event.key === "ArrowRight" && !open) this.toggle(this.selected, true);
    else if (event.key === "ArrowRight") this.select(Math.min(this.selected + 1, last));
    else if (event.key === "Enter" && event.target === this.scroller) this.toggle(this.selected);
    else if (event.key === "z") this.zoom(node.start - (node.end - node.start) * 0.05, node.end + (node.end - node.start) * 0.05);
    else if (event.key === "0") this.zoom(0, this.total);
    else if (event.key === "[" || event.key === "]") this.collapseAll(event.key === "[");
    else return false;
    return true;
  }
}
