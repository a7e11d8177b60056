// Flame graph: the same operations on the same path are one box, as wide as their time together.

import { colour, duration, element, operationName, percent, place, plural, serviceName } from "./format.js";
import { merge } from "./tree.js";

const LEAST = 0.0008;
const LAYER = 24;

// chosen(node): called with the longest span of a box.
export function flameGraph({ roots }, chosen) {
  const top = merge(roots);
  const holder = element("div", { class: "flames", role: "group", "aria-label": "Flame graph" });
  const path = element("p", { class: "note", role: "status" });
  // A width needs its children's first; a deep trace must not use the call stack.
  const order = [];
  const stack = [top];
  while (stack.length) {
    const box = stack.pop();
    order.push(box);
    for (const child of box.children.values()) stack.push(child);
  }
  for (const box of order.toReversed()) {
    let below = 0;
    for (const child of box.children.values()) below += child.width;
    // Children that ran at the same time need more room than their parent took.
    box.width = Math.max(box.total, below);
  }

  const show = (zoomed) => {
    const made = [];
    let deepest = 0;
    const add = (box, start, length, layer) => {
      deepest = Math.max(deepest, layer);
      made.push(drawBox(box, start, length, layer, zoomed));
    };
    const pending = [];
    const line = [];
    for (let above = zoomed.above; above && above !== top; above = above.above) line.unshift(above);
    line.forEach((box, layer) => add(box, 0, 1, layer));
    if (zoomed === top) layChildren(top, 0, 1, 0, pending);
    else pending.push([zoomed, 0, 1, line.length]);
    while (pending.length) {
      const [box, start, length, layer] = pending.pop();
      add(box, start, length, layer);
      layChildren(box, start, length, layer + 1, pending);
    }
    holder.replaceChildren();
    for (const drawn of made) holder.append(drawn);
    holder.style.blockSize = `${(deepest + 1) * LAYER}px`;
    path.textContent = zoomed === top
      ? "Width is time, all calls of one path together. Select a box to zoom into it."
      : describe(zoomed);
  };

  const layChildren = (box, start, length, layer, pending) => {
    let at = start;
    for (const child of box.children.values()) {
      const part = (length * child.width) / Math.max(box.width, 1);
      if (part > LEAST) pending.push([child, at, part, layer]);
      at += part;
    }
  };

  const drawBox = (box, start, length, layer, zoomed) => {
    const made = element("button", {
      class: `flame ${colour(box.service)}${box.errors ? " failed" : ""}`, title: describe(box),
      onclick: () => {
        show(zoomed === box ? top : box);
        chosen(box.nodes.toSorted((one, other) => (other.end - other.start) - (one.end - one.start))[0]);
        holder.querySelector("[aria-pressed=true]")?.focus();
      },
      "aria-pressed": String(zoomed === box),
    }, operationName(box.name));
    place(made, start, length);
    made.style.insetBlockStart = `${layer * LAYER}px`;
    return made;
  };

  const describe = (box) => `${serviceName(box.service)} ${operationName(box.name)}: `
    + `${plural(box.nodes.length, "call")}, ${duration(box.total)}, of it ${duration(box.self)} itself`
    + ` (${percent(box.self / Math.max(top.width, 1))} of all)`;

  show(top);
  return element("div", { class: "view" }, path, holder);
}
