// The whole trace in a strip; a part of it, chosen by dragging, is what the waterfall shows.

import { colour, element } from "./format.js";

const HEIGHT = 48;

export class Minimap {
  constructor(nodes, total, zoomed) {
    Object.assign(this, { nodes, total, zoomed });
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.chosen = element("div", { class: "chosen" });
    this.element = element("div", { class: "minimap", title: "drag to zoom, double-click for all" },
      this.canvas, this.chosen);
    this.element.addEventListener("pointerdown", (event) => this.start(event));
    this.element.addEventListener("pointermove", (event) => this.move(event));
    this.element.addEventListener("pointerup", (event) => this.end(event));
    this.element.addEventListener("pointercancel", () => this.leave());
    this.element.addEventListener("dblclick", () => zoomed(0, total));
    new ResizeObserver(() => this.draw()).observe(this.element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  draw() {
    const { clientWidth: width } = this.element;
    const scale = devicePixelRatio;
    if (!width) return;
    this.canvas.width = width * scale;
    this.canvas.height = HEIGHT * scale;
    const context = this.canvas.getContext("2d");
    context.scale(width * scale, scale);
    const colours = new Map();
    const least = 1 / width;
    const line = Math.min(3, HEIGHT / this.nodes.length);
    this.nodes.forEach((node, at) => {
      const { service } = node.span;
      if (!colours.has(service)) colours.set(service, this.shade(service));
      context.fillStyle = colours.get(service);
      const length = (node.end - node.start) / this.total;
      context.fillRect(node.start / this.total, at * line, Math.max(length, least), Math.max(line - 0.4, 0.4));
    });
  }

  shade(service) {
    const probe = element("span", { class: `probe ${colour(service)}` });
    this.element.append(probe);
    const shade = getComputedStyle(probe).backgroundColor;
    probe.remove();
    return shade;
  }

  show(from, to) {
    this.shown = [from, to];
    this.mark(from, to);
  }

  mark(from, to) {
    this.chosen.hidden = from <= 0 && to >= this.total;
    this.chosen.style.insetInlineStart = `${(100 * from) / this.total}%`;
    this.chosen.style.inlineSize = `${(100 * (to - from)) / this.total}%`;
  }

  at(event) {
    const { left, width } = this.element.getBoundingClientRect();
    return Math.min(Math.max((event.clientX - left) / width, 0), 1) * this.total;
  }

  start(event) {
    if (event.button) return;
    this.element.setPointerCapture(event.pointerId);
    this.began = this.at(event);
  }

  move(event) {
    if (this.began === undefined) return;
    const at = this.at(event);
    this.mark(Math.min(this.began, at), Math.max(this.began, at));
  }

  leave() {
    this.began = undefined;
    this.mark(...this.shown);
  }

  end(event) {
    if (this.began === undefined) return;
    const at = this.at(event);
    const [from, to] = [Math.min(this.began, at), Math.max(this.began, at)];
    this.leave();
    if (to - from > this.total / 200) this.zoomed(from, to);
  }
}
