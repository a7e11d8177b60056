// The services as a graph from left to right, on a narrow screen from top to bottom, drawn as SVG.

import { colour, drawing, duration, element, percent, plural, serviceName } from "./format.js";

const HIGH = 46;
const MOST = 60;
// Sizes of a box, of the room for a call, and of that beside a box; how near its label is to the callee.
const RIGHTWARD = { wide: 168, room: 150, beside: 30, near: 0.5 };
const DOWNWARD = { down: true, wide: 118, room: 64, beside: 6, near: 1 };
const LETTER = 7.3;

// services: {name, calls, errors, p50, p95}; calls: {parent, child, calls, errors, p50, p95}.
export function serviceGraph(all, allCalls, chosen, select, narrow) {
  const sizes = narrow ? DOWNWARD : RIGHTWARD;
  const services = all.slice(0, MOST);
  const known = new Set(services.map(({ name }) => name));
  const calls = allCalls.filter(({ parent, child }) => known.has(parent) && known.has(child));
  const layers = layer([...known], calls);
  const places = new Map();
  const tallest = Math.max(...layers.map((names) => names.length));
  const along = (narrow ? HIGH : sizes.wide) + sizes.room;
  const across = (narrow ? sizes.wide : HIGH) + sizes.beside;
  layers.forEach((names, column) => names.forEach((name, row) => {
    const way = column * along + 4;
    const side = ((tallest - names.length) / 2 + row) * across + sizes.beside / 2 + 4;
    places.set(name, narrow ? { x: side, y: way } : { x: way, y: side });
  }));
  const [length, breadth] = [layers.length * along - sizes.room + 8, tallest * across + 8];
  const [width, height] = narrow ? [breadth, length] : [length, breadth];
  const most = Math.max(1, ...calls.map((call) => call.calls));
  const svg = drawing("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": "Services and their calls" },
    drawing("defs", {}, drawing("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto" },
      drawing("path", { d: "M0 0 L8 4 L0 8 z", class: "arrow" }))),
    ...calls.map((call) => edge(call, places, most, sizes)),
    ...calls.map((call) => edgeLabel(call, places, sizes)),
    ...services.map((service) => box(service, places.get(service.name), chosen, select, sizes)));
  return element("div", { class: "graph", tabindex: "0", role: "region", "aria-label": "Graph of the services" }, svg,
    all.length > MOST ? element("p", { class: "note" }, `The ${MOST} services with the most spans.`) : "");
}

// Columns, or rows: every service after those that call it; a call that closes a circle is left out.
function layer(names, calls) {
  const callers = new Map(names.map((name) => [name, []]));
  for (const { parent, child } of calls) callers.get(child).push(parent);
  const column = new Map();
  const open = new Set();
  const find = (name) => {
    if (column.has(name)) return column.get(name);
    if (open.has(name)) return -1;
    open.add(name);
    const found = Math.max(-1, ...callers.get(name).map(find)) + 1;
    open.delete(name);
    column.set(name, found);
    return found;
  };
  names.forEach(find);
  const layers = [];
  for (const name of names) (layers[column.get(name)] ??= []).push(name);
  const filled = layers.filter(Boolean);
  // Each column by the middle of its callers' places: fewer lines cross.
  for (let pass = 1; pass < filled.length; pass += 1) {
    const before = new Map(filled.slice(0, pass).flatMap((row) => row.map((name, at) => [name, at / row.length])));
    const middle = (name) => {
      const found = callers.get(name).map((caller) => before.get(caller)).filter((at) => at !== undefined);
      return found.length ? found.reduce((sum, at) => sum + at, 0) / found.length : 1;
    };
    filled[pass].sort((one, other) => middle(one) - middle(other));
  }
  return filled;
}

function edge(call, places, most, { down, wide }) {
  const from = places.get(call.parent);
  const to = places.get(call.child);
  const forward = down ? to.y > from.y : to.x > from.x;
  const before = forward ? 2 : 0;
  const [x1, y1] = down ? [from.x + wide / 2, from.y + HIGH] : [from.x + wide, from.y + HIGH / 2];
  const [x2, y2] = down ? [to.x + wide / 2, to.y - before] : [to.x - before, to.y + HIGH / 2];
  const bend = forward ? (down ? y2 - y1 : x2 - x1) / 2 : 60;
  const curve = down ? `${x1} ${y1 + bend} ${x2} ${y2 - bend}` : `${x1 + bend} ${y1} ${x2 - bend} ${y2}`;
  const path = `M${x1} ${y1} C${curve} ${x2} ${y2}`;
  const title = `${serviceName(call.parent)} calls ${serviceName(call.child)} ${counts(call)}; p50 ${duration(call.p50)}, p95 ${duration(call.p95)}`;
  return drawing("g", { class: call.errors ? "edge failed" : "edge", role: "img", "aria-label": title },
    drawing("title", {}, title),
    drawing("path", { d: path, "stroke-width": 1 + 2.5 * (Math.log1p(call.calls) / Math.log1p(most)), "marker-end": "url(#arrow)" }));
}

function counts(call) {
  return `${call.calls.toLocaleString("en")}×${call.errors ? `, ${percent(call.errors / call.calls)} failed` : ""}`;
}

// Above all lines.
function edgeLabel(call, places, { wide, near }) {
  const from = places.get(call.parent);
  const to = places.get(call.child);
  const x = from.x + (to.x - from.x) * near + wide / 2;
  const y = (from.y + to.y + HIGH) / 2;
  return drawing("g", { class: "edge-label", "aria-hidden": "true" },
    drawing("text", { x, y: y - 5, "text-anchor": "middle" }, counts(call)),
    drawing("text", { class: "quiet", x, y: y + 10, "text-anchor": "middle" },
      `${duration(call.p50)} / ${duration(call.p95)}`));
}

function box(service, { x, y }, chosen, select, { down, wide }) {
  const name = serviceName(service.name);
  const facts = `${plural(service.calls, "span")}${service.errors ? `, ${service.errors} failed` : ""}`;
  const short = down && service.errors ? `${service.errors} of ${service.calls} failed` : facts;
  const letters = Math.floor((wide - 20) / LETTER);
  const act = () => select(service.name);
  return drawing("g", {
    class: `box ${colour(service.name)}${service.errors ? " failed" : ""}`, transform: `translate(${x} ${y})`,
    tabindex: "0", role: "button", "aria-pressed": String(service.name === chosen), "aria-label": `${name}: ${facts}`,
    onclick: act,
    onkeydown: (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      act();
    },
  },
  drawing("rect", { width: wide, height: HIGH, rx: 7 }),
  drawing("rect", { class: "stripe", width: 5, height: HIGH, rx: 2 }),
  drawing("text", { x: 14, y: 19, class: "name" }, name.length > letters ? `${name.slice(0, letters - 1)}…` : name),
  drawing("text", { x: 14, y: 36, class: "quiet" }, short),
  drawing("title", {}, name));
}
