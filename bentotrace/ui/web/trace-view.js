// One trace: its title, its views, the panel of the selected span, and ways to take it along.

import { address, parameters, replace } from "./address.js";
import { download, get, saved } from "./api.js";
import { colour, copy, duration, element, operationName, percent, plural, run, serviceName, time } from "./format.js";
import { flameGraph } from "./flame-graph.js";
import { notShown } from "./not-shown.js";
import { operationsTable } from "./operations-table.js";
import { details } from "./span-details.js";
import { markdown } from "./trace-text.js";
import { buildTree, operations } from "./tree.js";
import { Waterfall } from "./waterfall.js";

const VIEWS = { waterfall: "Waterfall", flame: "Flame graph", operations: "Operations" };

// The text in which a span is found; some spans come without their attributes.
function searchable({ service, name, kind, status, span_id: id, status_message: message, attributes, resource, events }) {
  const pairs = (values) => Object.entries(values ?? {}).map(([key, value]) =>
    `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const happened = Array.isArray(events) ? events.flatMap((event) => [event.name, ...pairs(event.attributes)]) : [];
  return [service, name, kind, status, id, message, ...pairs(attributes), ...pairs(resource), ...happened]
    .join(" ").toLowerCase();
}

class TraceView extends HTMLElement {
  connectedCallback() {
    this.path = `/ui/api/traces/${encodeURIComponent(this.getAttribute("trace-id"))}`;
    this.load();
  }

  disconnectedCallback() {
    this.gone = true;
    this.waterfall?.observer.disconnect();
  }

  async load() {
    try {
      const { trace, spans } = await get(this.path);
      if (this.gone) return;
      this.trace = trace;
      this.tree = buildTree(spans);
    } catch (error) {
      this.replaceChildren(notShown(error.status === 404 ? "This trace is not here" : "The trace cannot be shown", error));
      return;
    }
    this.build();
  }

  build() {
    const { trace, tree } = this;
    document.title = `${operationName(trace.root_name).slice(0, 60)} · bentotrace`;
    this.panel = element("aside", { "aria-label": "Details of the span", tabindex: "-1" });
    this.waterfall = new Waterfall(tree, Number(trace.duration), (node) => this.select(node));
    this.content = element("div", { class: "content" });
    this.tabs = element("div", { class: "tabs", role: "tablist", "aria-label": "Views" },
      ...Object.entries(VIEWS).map(([name, title]) => element("button", {
        role: "tab", "data-view": name, onclick: () => this.show(name),
      }, title)));
    this.find = element("input", {
      type: "search", placeholder: "Find: operation, key=value ( / )",
      "aria-label": "Find a span by operation, service or attribute",
      oninput: () => this.search(),
      onkeydown: (event) => {
        if (event.key === "Enter") this.next(event.shiftKey ? -1 : 1);
        if (event.key === "Escape") {
          this.find.value = "";
          this.search();
          this.waterfall.scroller.focus();
        }
      },
    });
    this.found = element("span", { class: "note", role: "status" });
    this.replaceChildren(this.title(),
      element("div", { class: "tools-bar" }, this.tabs, this.find, this.found, this.takeAlong()),
      element("div", { class: "columns" }, this.content, this.panel));
    this.show(parameters().get("view") in VIEWS ? parameters().get("view") : "waterfall");
    const wanted = tree.nodes.find((node) => node.span.span_id === this.getAttribute("span-id"));
    if (wanted) this.waterfall.reveal(wanted);
    else this.waterfall.select(0, false);
    if (document.activeElement === document.body) this.waterfall.scroller.focus({ preventScroll: true });
  }

  title() {
    const { trace, tree } = this;
    const total = Math.max(Number(trace.duration), 1);
    const slowest = operations(tree.nodes).filter((row) => row.critical > 0.05 * total)
      .sort((one, other) => other.critical - one.critical).slice(0, 3);
    return element("div", { class: "title" },
      element("h1", {}, element("b", { class: colour(trace.root_service) }, serviceName(trace.root_service)),
        ` ${operationName(trace.root_name)}`),
      element("p", { class: "facts" },
        element("strong", {}, duration(trace.duration)),
        element("span", {}, plural(trace.spans, "span")),
        element("span", {}, plural(Object.keys(trace.services).length, "service")),
        trace.errors ? element("button", { class: "plain errors", onclick: () => this.nextError() }, plural(trace.errors, "error")) : "",
        trace.has_root ? "" : element("span", { class: "errors" }, "root not received"),
        element("span", {}, time(trace.start)),
        element("button", {
          class: "plain code", title: "copy the trace id", onclick: (event) => copy(trace.trace_id, event.currentTarget),
        }, trace.trace_id)),
      slowest.length ? element("p", { class: "facts slowest" }, "Critical path:",
        ...slowest.map((row) => element("button", { class: "plain", onclick: () => this.open(row.longest) },
          element("b", { class: colour(row.service) }, operationName(row.name).slice(0, 48)),
          ` ${percent(row.critical / total)}`))) : "");
  }

  takeAlong() {
    const { trace_id: traceId } = this.trace;
    const item = (title, action) => element("button", { onclick: action }, title);
    const save = (title, action) => item(title, (event) => run(event.currentTarget, action));
    const otlp = async (space) => JSON.stringify(await get(`${this.path}/otlp`), null, space);
    const items = [
      item("Copy as Markdown", (event) => copy(markdown(this.trace, this.tree), event.currentTarget)),
      item("Copy as JSON", (event) => copy(() => otlp(2), event.currentTarget)),
    ];
    if (!saved) {
      items.push(
        item("Copy the link", (event) => copy(location.href, event.currentTarget)),
        save("Download as one HTML file", () => download(`trace-${traceId}.html`, `${this.path}/html`)),
      );
    }
    items.push(save("Download as OTLP JSON", async () => download(`trace-${traceId}.json`, "", await otlp())));
    if (!saved) {
      items.push(element("a", { href: address({ compare: traceId }), "data-link": true }, "Compare with another"));
    }
    return element("details", { class: "menu" }, element("summary", {}, "Share"), element("div", {}, ...items));
  }

  show(view) {
    this.view = view;
    for (const tab of this.tabs.children) {
      tab.setAttribute("aria-selected", String(tab.dataset.view === view));
      tab.tabIndex = tab.dataset.view === view ? 0 : -1;
    }
    const open = (node) => this.open(node);
    const made = {
      waterfall: () => this.waterfall.element,
      flame: () => flameGraph(this.tree, (node) => this.select(node)),
      operations: () => operationsTable(this.tree, open),
    }[view]();
    this.content.replaceChildren(made);
    this.waterfall.draw();
    replace({ view: view === "waterfall" ? null : view });
  }

  // Shows a span in the waterfall.
  open(node) {
    this.show("waterfall");
    this.waterfall.reveal(node);
    this.waterfall.scroller.focus({ preventScroll: true });
  }

  async select(node) {
    this.node = node;
    replace({ span: node.span.span_id });
    const path = `${this.path}/spans/${node.span.id}`;
    const shown = await get(path).then((span) => details(span, this.trace, node, path), (error) => [
      element("h2", {}, operationName(node.span.name)), element("p", { class: "errors" }, error.message),
    ]);
    if (this.node !== node) return;
    this.panel.replaceChildren(...shown);
    this.panel.scrollTop = 0;
  }

  // typed: false when only the attributes have come.
  search(typed = true) {
    const words = this.find.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const { nodes } = this.tree;
    if (typed) this.stepped = false;
    if (words.length && typed) this.loadTexts();
    const matches = words.length ? nodes.filter(({ span }) => {
      const text = this.texts?.get(span.id) ?? searchable(span);
      return words.every((word) => text.includes(word));
    }) : null;
    this.matches = matches ?? [];
    this.waterfall.matches = matches && new Set(matches);
    this.found.textContent = matches ? this.place() : "";
    this.waterfall.redraw();
  }

  place() {
    const spans = plural(this.matches.length, "span");
    const at = this.stepped ? this.matches.indexOf(this.node) : -1;
    return at < 0 ? spans : `${at + 1} of ${spans}`;
  }

  // Reads the attributes at the first search: a large trace has many.
  async loadTexts() {
    if (this.loading) return;
    this.loading = true;
    let problem = "";
    const spans = saved ? this.tree.nodes.map(({ span: { id } }) => [id, saved.responses[`${this.path}/spans/${id}`]])
      : await get(`${this.path}/spans`).catch((error) => {
        problem = `; attributes were not searched: ${error.message}`;
        return [];
      });
    this.texts = new Map(spans.map(([id, span]) => [id, searchable(span)]));
    this.loading = !problem;
    if (!this.find.value.trim()) return;
    this.search(false);
    this.found.append(problem);
  }

  next(step) {
    if (!this.matches?.length) return;
    const { length } = this.matches;
    const before = this.matches.indexOf(this.node);
    const at = before < 0 && step < 0 ? length - 1 : (before + step + length) % length;
    this.open(this.matches[at]);
    this.stepped = true;
    this.found.textContent = this.place();
    this.find.focus();
  }

  nextError() {
    const failed = this.tree.nodes.filter(({ span }) => span.status === "error");
    if (failed.length) this.open(failed[(failed.indexOf(this.node) + 1) % failed.length]);
  }

  onKey(event) {
    if (!this.trace) return;
    const views = Object.keys(VIEWS);
    if (event.key === "/") this.find.focus();
    else if (event.target.role === "tab" && ["ArrowLeft", "ArrowRight"].includes(event.key)) {
      const at = views.indexOf(this.view) + (event.key === "ArrowRight" ? 1 : -1);
      this.show(views[(at + views.length) % views.length]);
      this.tabs.querySelector("[aria-selected=true]").focus();
    } else if (["1", "2", "3"].includes(event.key)) this.show(views[event.key - 1]);
    else if (event.key === "e") this.nextError();
    else if (this.view !== "waterfall" || event.target.closest("aside, .tools-bar, .title")) return;
    else if (!this.waterfall.onKey(event)) return;
    event.preventDefault();
  }
}

customElements.define("trace-view", TraceView);
