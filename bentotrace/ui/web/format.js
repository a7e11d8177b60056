// Elements and text; everything that a span carries becomes text, never markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(made, properties, children) {
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") made.setAttribute("class", value);
    else if (typeof value === "function") made.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  // One at a time, and lists as they are: a call takes some 100,000 arguments at most.
  for (const child of children.flat()) if (child !== undefined && child !== "") made.append(child);
  return made;
}

export function element(name, properties = {}, ...children) {
  return fill(document.createElement(name), properties, children);
}

export function drawing(name, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, name), properties, children);
}

// Places an element on an axis of 0 to 1.
export function place(made, start, length) {
  made.style.insetInlineStart = `${100 * start}%`;
  made.style.inlineSize = `max(2px, ${100 * length}%)`;
  return made;
}

// Shows what would reorder or hide the text around it.
export function visible(text) {
  return String(text).replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

export function serviceName(name) {
  return visible(name) || "(no service)";
}

export function operationName(name) {
  return visible(name) || "(no name)";
}

const UNITS = [[3600e9, "h"], [60e9, "min"], [1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]];

// Digits after the point that show a difference of step; none for what is larger.
function digitsFor(step, unit) {
  return Math.max(Math.ceil(Math.log10(unit / step)), 0);
}

// step: nanoseconds between labels of one axis, which must differ.
export function duration(nanoseconds, step = Infinity) {
  const value = Number(nanoseconds);
  if (!value) return "0";
  const size = Math.abs(value);
  // Parts of a minute or an hour are hard to read when they have many digits.
  const [least, unit] = UNITS.find(([smallest]) => size >= smallest && (smallest <= 1e9 || step * 100 >= smallest))
    ?? UNITS.at(-1);
  const number = size / least;
  const usual = number >= 100 || unit === "ns" ? 0 : number >= 10 ? 1 : 2;
  const digits = Math.max(usual, digitsFor(step, least));
  return `${value < 0 ? "−" : ""}${Number(number.toFixed(digits))} ${unit}`;
}

// step: as for duration().
export function time(nanoseconds, { withDay = false, step = 1e6 } = {}) {
  // An address may have anything.
  if (!/^\d+$/.test(nanoseconds)) return "?";
  const whole = BigInt(nanoseconds);
  const date = new Date(Number(whole / 1000000n));
  if (Number.isNaN(date.getTime())) return "?";
  // Whole milliseconds, microseconds or nanoseconds are read at a glance.
  const digits = Math.ceil(digitsFor(step, 1e9) / 3) * 3;
  const part = String(whole % 1000000000n).padStart(9, "0").slice(0, digits);
  const two = (number) => String(number).padStart(2, "0");
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
    + (part && `.${part}`);
  if (isToday(date) && !withDay) return clock;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock}`;
}

export function isToday(date) {
  return date.toDateString() === new Date().toDateString();
}

// A colour for each service: by its name, unless another one of this tab has that already.
const COLOURS = 12;
// A saved file may be shown in a frame that has no storage; there the property raises.
const storage = document.getElementById("saved") ? null : sessionStorage;
const kept = storage?.getItem("colours");
const taken = new Map(kept ? JSON.parse(kept) : []);

export function colour(service) {
  let chosen = taken.get(service);
  if (chosen === undefined) {
    let hash = 0;
    for (const character of service) hash = (hash * 31 + character.codePointAt(0)) >>> 0;
    chosen = hash % COLOURS;
    const used = new Set(taken.values());
    for (let step = 0; step < COLOURS && used.has(chosen); step += 1) chosen = (chosen + 5) % COLOURS;
    taken.set(service, chosen);
    if (taken.size <= 100) storage?.setItem("colours", JSON.stringify([...taken]));
  }
  return `c${chosen}`;
}

export function plural(count, word) {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}

export function percent(part) {
  if (part > 0 && part < 0.01) return "<1 %";
  return `${Math.round(100 * part)} %`;
}

// A value of the query language, in quotes where it needs them.
export function quoted(value) {
  return /^[^\s"\\]+$/.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;
}

// Runs what a button does, and shows in the button that it is done, or why it is not.
export async function run(button, action, done) {
  const before = button.dataset.before ?? button.textContent;
  button.dataset.before = before;
  let shown = done ?? before;
  await action().catch((error) => { shown = error.message; });
  button.textContent = shown;
  clearTimeout(button.waiting);
  button.waiting = setTimeout(() => { button.textContent = before; }, 2000);
}

// text: or a function that reads it.
export function copy(text, button) {
  return run(button, async () => write(typeof text === "function" ? await text() : text), "Copied");
}

// Browsers have no clipboard for pages of another host without TLS, and may refuse to write to it.
async function write(text) {
  if (navigator.clipboard && await navigator.clipboard.writeText(text).then(() => true, () => false)) return;
  if (!copyOldWay(text)) throw new Error("The browser refused to copy.");
}

function copyOldWay(text) {
  const area = element("textarea", { class: "probe" });
  area.value = text;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}
