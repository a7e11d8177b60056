// The live list of traces, newest first, and their durations over time.

import { address, go, parameters } from "./address.js";
import { get } from "./api.js";
import { colour, duration, element, operationName, place, plural, serviceName, time } from "./format.js";
import { ScatterPlot } from "./scatter-plot.js";

const PAGE = 100;
// The viewer returns no more at once.
const MOST = 2000;
const RANGES = { "": "All times", "5m": "Last 5 minutes", "1h": "Last hour", "24h": "Last 24 hours", "7d": "Last 7 days" };
const SECONDS = { m: 60n, h: 3600n, d: 86400n };

// Spans arrive all the time, and an element that is moved while it is pressed gets no click.
function arrange(parent, children) {
  const kept = new Set(children);
  for (const child of [...parent.children]) if (!kept.has(child)) child.remove();
  children.forEach((child, at) => {
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null);
  });
}

class TraceList extends HTMLElement {
  connectedCallback() {
    this.given = parameters();
    this.query = this.given.get("q") ?? "";
    this.paused = false;
    this.limit = this.kept?.limit ?? PAGE;
    this.made = new Map();
    this.marked = new Set();
    this.pause = element("button", { "aria-pressed": "false", onclick: () => this.toggle() }, "Pause");
    this.note = element("p", { class: "note", role: "status" });
    this.compare = element("a", { class: "button", "data-link": true, hidden: true });
    this.rows = element("ol", { class: "traces", "aria-label": "Traces, newest first" });
    this.more = element("button", { class: "more", hidden: true, onclick: () => this.loadMore() }, "Show more");
    this.empty = element("div");
    this.scatter = new ScatterPlot((part) => this.choose(part));
    this.append(element("div", { class: "bar" }, this.note, this.compare, this.range(), this.pause),
      this.scatter.element, this.rows, this.more, this.empty);
    this.load();
  }

  disconnectedCallback() {
    this.gone = true;
  }

  // What the list has in sight, for the way back to it.
  left() {
    return { limit: this.limit, top: scrollY, id: this.focused() };
  }

  focused() {
    return this.rows.contains(document.activeElement) ? document.activeElement.closest("li")?.dataset.id : null;
  }

  // As it was when the list was left.
  comeBack() {
    const { top, id } = this.kept;
    this.kept = null;
    scrollTo(0, top);
    const link = this.made.get(id)?.row.querySelector("a");
    link?.focus({ preventScroll: true });
    link?.scrollIntoView({ block: "nearest" });
  }

  range() {
    const chosen = this.given.get("since") ?? "";
    const fixed = this.given.has("after") || this.given.has("before");
    const select = element("select", {
      "aria-label": "Time range",
      onchange: () => go(address({ q: this.query, since: select.value })),
    }, ...Object.entries(RANGES).map(([value, title]) => element("option", { value, selected: value === chosen && !fixed }, title)));
    if (fixed) {
      const [after, before] = [this.given.get("after"), this.given.get("before")];
      const step = after && before ? Math.min(Number(before) - Number(after), 1e6) || 1 : 1e6;
      const title = `${after ? time(after, { step }) : "…"} to ${before ? time(before, { step }) : "…"}`;
      select.append(element("option", { value: "fixed", selected: true, disabled: true }, title));
    }
    return select;
  }

  // A part of the scatter: its time range, and its durations as conditions.
  choose({ after, before, shortest, longest }) {
    const rest = this.query.replace(/(^|\s)trace\.duration[<>]=?\S+/g, "").trim();
    const whole = (nanoseconds) => Math.round(nanoseconds / 1000);
    // The plot shows shorter traces as if they took 1 µs.
    const least = whole(shortest) > 1 ? `trace.duration>=${whole(shortest)}us ` : "";
    const query = `${rest} ${least}trace.duration<=${whole(longest)}us`.trim();
    go(address({ q: query, after, before }));
  }

  toggle() {
    this.paused = !this.paused;
    this.pause.setAttribute("aria-pressed", String(this.paused));
    this.pause.textContent = this.paused ? "Resume" : "Pause";
    if (!this.paused) this.load();
  }

  onChange() {
    if (!this.paused) this.load();
  }

  loadMore() {
    this.limit = Math.min(this.limit + 4 * PAGE, MOST);
    this.load();
  }

  address() {
    const since = this.given.get("since");
    let after = this.given.get("after") ?? "";
    if (since in RANGES && since) {
      after = BigInt(Date.now()) * 1000000n - BigInt(parseInt(since, 10)) * SECONDS[since.at(-1)] * 1000000000n;
    }
    return `/ui/api/traces?limit=${this.limit}&q=${encodeURIComponent(this.query)}&after=${after}`
      + `&before=${encodeURIComponent(this.given.get("before") ?? "")}`;
  }

  // One request at a time; what changes meanwhile is one more.
  async load() {
    if (this.loading) {
      this.again = true;
      return;
    }
    this.loading = true;
    try {
      const found = await get(this.address());
      if (!this.gone) await this.show(found);
    } catch (error) {
      this.note.textContent = error.message;
      this.note.classList.add("errors");
    } finally {
      this.loading = false;
    }
    if (this.again && !this.gone) {
      this.again = false;
      this.load();
    }
  }

  async show({ traces, incomplete, next }) {
    const filtered = ["q", "after", "before", "since"].some((name) => this.given.get(name));
    this.note.classList.remove("errors");
    this.note.textContent = plural(traces.length, "trace")
      + (next ? ", the newest" : "") + (next && this.limit >= MOST ? "; choose a time range to see others" : "")
      + (incomplete ? "; the search took too long and was ended" : "");
    const longest = Math.max(1, ...traces.map((trace) => Number(trace.duration)));
    const made = new Map();
    for (const trace of traces) {
      const content = JSON.stringify([trace, longest]);
      const before = this.made.get(trace.trace_id);
      made.set(trace.trace_id, before?.content === content ? before : { content, row: this.row(trace, longest) });
    }
    const focused = this.focused();
    this.made = made;
    arrange(this.rows, [...made.values()].map(({ row }) => row));
    if (focused) made.get(focused)?.row.querySelector("a").focus({ preventScroll: true });
    this.more.hidden = !next || this.limit >= MOST;
    this.scatter.show(traces);
    if (this.kept) this.comeBack();
    if (traces.length) this.empty.replaceChildren();
    else if (!this.empty.firstChild) {
      const { nothingFound, nothingYet } = await import("./empty-state.js");
      this.empty.replaceChildren(filtered ? nothingFound(this.query) : await nothingYet());
    }
  }

  mark(traceId) {
    if (this.marked.has(traceId)) this.marked.delete(traceId);
    else this.marked.add(traceId);
    if (this.marked.size > 2) this.marked.delete([...this.marked][0]);
    for (const each of this.rows.querySelectorAll("input")) {
      each.checked = this.marked.has(each.closest("li").dataset.id);
    }
    const [one, other] = this.marked;
    this.compare.hidden = !one;
    this.compare.textContent = other ? "Compare 2 traces" : "Compare with another";
    this.compare.href = one ? address({ compare: one, with: other }) : "/";
  }

  row(trace, longest) {
    const bar = place(element("span", { class: `span ${colour(trace.root_service)}` }), 0, Number(trace.duration) / longest);
    const services = Object.entries(trace.services).sort();
    const box = element("input", {
      type: "checkbox", "aria-label": `Compare ${trace.trace_id.slice(0, 8)}`, title: "mark to compare ( c )",
      onchange: () => this.mark(trace.trace_id),
    });
    box.checked = this.marked.has(trace.trace_id);
    return element("li", { class: trace.errors ? "failed" : "", "data-id": trace.trace_id }, box, element(
      "a", { class: "trace", "data-link": true, href: `/?trace=${trace.trace_id}` },
      element("time", {}, time(trace.start)),
      element("span", { class: "name" },
        element("b", { class: colour(trace.root_service) }, serviceName(trace.root_service)),
        ` ${operationName(trace.root_name)}`,
        trace.has_root ? "" : element("em", {}, " root not received")),
      element("span", { class: "services" },
        ...services.slice(0, 12).map(([name, count]) => element("b", {
          class: colour(name), title: plural(count, "span"),
        }, serviceName(name))),
        services.length > 12 ? `and ${services.length - 12} more` : ""),
      element("span", { class: "counts" },
        trace.errors ? element("span", { class: "errors" }, plural(trace.errors, "error")) : "",
        element("span", {}, plural(trace.spans, "span"))),
      element("span", { class: "track" }, bar),
      element("span", { class: "took" }, duration(trace.duration)),
    ));
  }

  onKey(event) {
    const links = [...this.rows.querySelectorAll("a.trace")];
    const at = links.indexOf(document.activeElement);
    if (event.key === "p") this.toggle();
    else if (event.key === "c" && at >= 0) this.mark(links[at].closest("li").dataset.id);
    else if (["ArrowDown", "j"].includes(event.key)) links[Math.min(at + 1, links.length - 1)]?.focus();
    else if (["ArrowUp", "k"].includes(event.key)) links[Math.max(at - 1, 0)]?.focus();
    else return;
    event.preventDefault();
  }
}

customElements.define("trace-list", TraceList);
