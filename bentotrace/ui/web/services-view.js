// The services: who calls whom, and each operation's rate, errors and durations.

import { address, go, parameters } from "./address.js";
import { get } from "./api.js";
import { nothingYet } from "./empty-state.js";
import { notShown } from "./not-shown.js";
import { colour, drawing, duration, element, operationName, percent, plural, quoted, serviceName } from "./format.js";
import { serviceGraph } from "./service-graph.js";
import { sortable } from "./sortable.js";

const PAUSE = 5000;
const NARROW = matchMedia("(max-width: 48rem)");

class ServicesView extends HTMLElement {
  connectedCallback() {
    this.turned = () => this.load();
    NARROW.addEventListener("change", this.turned);
    this.load();
  }

  disconnectedCallback() {
    NARROW.removeEventListener("change", this.turned);
    clearTimeout(this.waiting);
    this.gone = true;
  }

  // The counts take a moment, so they follow at a distance.
  onChange() {
    this.waiting ??= setTimeout(() => {
      this.waiting = null;
      if (!this.contains(document.activeElement)) this.load();
    }, PAUSE);
  }

  async load() {
    try {
      const found = await get("/ui/api/services");
      const shown = found.operations.length ? this.show(found) : [await nothingYet()];
      if (!this.gone) this.replaceChildren(...shown);
    } catch (error) {
      this.replaceChildren(notShown("The services cannot be shown", error));
    }
  }

  show({ calls, services, operations, traces, seconds }) {
    const chosen = parameters().get("services");
    const shown = operations.filter(({ service }) => !chosen || service === chosen);
    return [
      element("div", { class: "title" },
        element("h1", {}, "Services"),
        element("p", { class: "facts" }, `The newest ${plural(traces, "trace")}, over ${duration(seconds * 1e9)}`)),
      serviceGraph(services, calls, chosen,
        (service) => go(service === chosen ? "/?services=" : address({ services: service })), NARROW.matches),
      element("h2", {}, chosen ? `Operations of ${serviceName(chosen)}` : "Operations",
        chosen ? element("a", { class: "button", href: "/?services=", "data-link": true }, "All services") : ""),
      table(shown, Math.max(seconds, 1)),
    ];
  }
}

function table(rows, seconds) {
  const search = (row, more = "") => address({
    q: `service:${quoted(row.service)} operation:${quoted(row.name)}${more}`,
  });
  const rate = (row) => (60 * row.calls) / seconds;
  const column = (title, name) => ({ title, value: (row) => row[name], show: (row) => duration(row[name]) });
  return sortable("Operations", [
    {
      title: "Operation", text: true, value: (row) => `${row.service} ${row.name}`,
      show: (row) => element("a", { href: search(row), "data-link": true, class: "name" },
        element("b", { class: colour(row.service) }, serviceName(row.service)), ` ${operationName(row.name)}`),
    },
    { title: "Kind", text: true, value: (row) => row.kind, show: (row) => row.kind },
    { title: "Calls", value: (row) => row.calls, show: (row) => row.calls.toLocaleString("en") },
    { title: "Per minute", value: rate, show: (row) => rate(row).toPrecision(3).replace(/\.?0+$/, "").replace(/e\+\d+/, "") },
    {
      title: "Errors", value: (row) => row.errors / row.calls,
      show: (row) => (row.errors ? element("a", { class: "errors", href: search(row, " status:error"), "data-link": true },
        `${row.errors} (${percent(row.errors / row.calls)})`) : ""),
    },
    column("p50", "p50"), column("p95", "p95"), column("Longest", "longest"),
    { title: "Durations", value: (row) => row.p50, show: (row) => histogram(row) },
  ], rows, 2);
}

// Numbers of calls by duration; each bar is a quarter of a power of ten.
function histogram({ histogram: buckets }) {
  const most = Math.max(...buckets.map(([, count]) => count));
  const low = 12;
  const high = 40;
  const bars = buckets.map(([bucket, count]) => {
    const height = Math.max((22 * count) / most, 1.5);
    const x = (Math.min(Math.max(bucket, low), high) - low) * 5;
    return drawing("rect", { x, y: 24 - height, width: 4.2, height },
      drawing("title", {}, `${plural(count, "call")} from ${duration(10 ** (bucket / 4))}`));
  });
  return drawing("svg", { class: "histogram", viewBox: "0 0 145 26", width: 145, height: 26, role: "img", "aria-label": "Histogram of durations, 1 µs to 10 s" },
    drawing("line", { x1: 0, x2: 145, y1: 24.5, y2: 24.5 }), ...bars);
}

customElements.define("services-view", ServicesView);
