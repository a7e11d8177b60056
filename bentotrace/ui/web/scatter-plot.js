// The traces as points: time across, duration (logarithmic) up; dragging chooses a part.

import { go } from "./address.js";
import { colour, drawing, duration, element, isToday, operationName, serviceName, time } from "./format.js";

const HEIGHT = 132;
const LEFT = 52;
const BOTTOM = 18;
const TOP = 8;
const RIGHT = 12;
// Of the axis' text, wide enough for any font.
const PER_LETTER = 7;
const DURATIONS = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 60e9, 600e9, 3600e9, 36e12, 36e13];

export class ScatterPlot {
  // chosen({after, before, shortest, longest}): nanoseconds as BigInt.
  constructor(chosen) {
    this.chosen = chosen;
    this.traces = [];
    this.svg = drawing("svg", { role: "img", "aria-label": "Durations of the traces over time" });
    this.element = element("div", { class: "scatter", hidden: true, title: "drag to choose a time and a duration" }, this.svg);
    this.element.addEventListener("pointerdown", (event) => this.start(event));
    this.element.addEventListener("pointermove", (event) => this.move(event));
    this.element.addEventListener("pointerup", (event) => this.end(event));
    // A finger that scrolls the page.
    this.element.addEventListener("pointercancel", () => this.leave());
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  show(traces) {
    this.traces = traces;
    this.element.hidden = traces.length < 2;
    this.draw();
  }

  draw() {
    const width = this.element.clientWidth;
    if (!width || this.traces.length < 2) return;
    // Numbers are exact only after the first start is taken off.
    const first = this.traces.map((trace) => BigInt(trace.start)).reduce((one, other) => (other < one ? other : one));
    const starts = this.traces.map((trace) => Number(BigInt(trace.start) - first));
    const took = this.traces.map((trace) => Math.max(Number(trace.duration), 1000));
    const span = Math.max(...starts, 1e6);
    const low = Math.floor(Math.log10(Math.min(...took)) * 2) / 2;
    const high = Math.max(Math.ceil((Math.log10(Math.max(...took)) + 0.05) * 2) / 2, low + 1);
    this.scale = { first, span, low, high, width };
    const across = (start) => LEFT + (start / span) * (width - LEFT - RIGHT - 8) + 4;
    const up = (value) => HEIGHT - BOTTOM - ((Math.log10(value) - low) / (high - low)) * (HEIGHT - BOTTOM - TOP);
    const parts = [];
    for (const value of DURATIONS) {
      if (value < 10 ** low || value > 10 ** high) continue;
      const y = up(value);
      parts.push(
        drawing("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y, y2: y }),
        drawing("text", { class: "axis", x: LEFT - 6, y: y + 4, "text-anchor": "end" }, duration(value)),
      );
    }
    const labels = this.labels(first, span, width - LEFT - RIGHT);
    labels.forEach((text, part) => parts.push(drawing("text", {
      class: "axis", x: across((span * part) / (labels.length - 1)), y: HEIGHT - 3,
      "text-anchor": part === 0 ? "start" : part === labels.length - 1 ? "end" : "middle",
    }, text)));
    // The newest are drawn last, above the others; failed ones above all.
    const order = this.traces.map((trace, at) => [trace, at]).reverse()
      .sort(([one], [other]) => Boolean(one.errors) - Boolean(other.errors));
    for (const [trace, at] of order) {
      parts.push(drawing("circle", {
        class: `${colour(trace.root_service)}${trace.errors ? " failed" : ""}`, "data-id": trace.trace_id,
        cx: across(starts[at]), cy: up(took[at]), r: Math.min(3.5 + Math.log10(trace.spans), 7),
      }, drawing("title", {}, `${serviceName(trace.root_service)} ${operationName(trace.root_name)}, ${duration(trace.duration)}`)));
    }
    this.box = drawing("rect", { class: "box", width: 0, height: 0 });
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    if (this.from) parts.push(this.box);
    this.svg.replaceChildren(...parts);
  }

  // The times below the plot: all with their day or none, and no more than there is room for.
  labels(first, span, room) {
    const withDay = [0, span].some((after) => !isToday(new Date((Number(first) + after) / 1e6)));
    for (let parts = 4; ; parts -= 1) {
      const step = span / parts;
      const texts = Array.from({ length: parts + 1 }, (_, part) =>
        time(first + BigInt(Math.round(step * part)), { withDay, step }));
      if (parts === 1 || texts.length * (texts[0].length + 2) * PER_LETTER < room) return texts;
    }
  }

  at(event) {
    const { left, top } = this.element.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  start(event) {
    if (event.button) return;
    this.from = this.at(event);
    this.point = event.target.dataset?.id;
    this.element.setPointerCapture(event.pointerId);
    this.svg.append(this.box);
  }

  move(event) {
    if (!this.from) return;
    const [x, y] = this.at(event);
    const [fromX, fromY] = this.from;
    for (const [name, value] of Object.entries({
      x: Math.min(x, fromX), y: Math.min(y, fromY), width: Math.abs(x - fromX), height: Math.abs(y - fromY),
    })) this.box.setAttribute(name, value);
  }

  leave() {
    this.from = null;
    this.box?.remove();
  }

  end(event) {
    if (!this.from) return;
    const [x, y] = this.at(event);
    const [fromX, fromY] = this.from;
    this.leave();
    if (Math.abs(x - fromX) < 4 && Math.abs(y - fromY) < 4) {
      if (this.point) go(`/?trace=${this.point}`);
      return;
    }
    const { first, span, low, high, width } = this.scale;
    const when = (pixel) => first + BigInt(Math.round(((pixel - LEFT - 4) / (width - LEFT - RIGHT - 8)) * span));
    const long = (pixel) => 10 ** (low + ((HEIGHT - BOTTOM - pixel) / (HEIGHT - BOTTOM - TOP)) * (high - low));
    this.chosen({
      after: when(Math.min(x, fromX)), before: when(Math.max(x, fromX)),
      shortest: long(Math.max(y, fromY)), longest: long(Math.min(y, fromY)),
    });
  }
}
