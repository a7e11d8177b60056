// What the panel shows of one span.

import { address } from "./address.js";
import { download, get, saved } from "./api.js";
import { colour, copy, duration, element, operationName, percent, plural, quoted, run, serviceName, time, visible } from "./format.js";

// node: of buildTree(); path: of the span's request.
export function details(span, trace, node, path) {
  const took = Math.max(Number(trace.duration), 1);
  const shortened = !saved && JSON.stringify(span).includes("characters)");
  return [
    element("h2", {}, operationName(span.name)),
    element("p", { class: "facts" },
      element("b", { class: colour(span.service) }, serviceName(span.service)),
      span.kind ? element("span", {}, span.kind) : "",
      element("span", { class: span.status === "error" ? "errors" : "" }, span.status === "unset" ? "" : span.status)),
    span.status_message ? element("p", { class: "message" }, visible(span.status_message)) : "",
    element("dl", { class: "times" },
      ...fact("Duration", `${duration(span.duration)}  (${percent(Number(span.duration) / took)})`),
      ...fact("Itself", duration(node.self)),
      ...fact("Starts after", duration(BigInt(span.start) - BigInt(trace.start))),
      ...fact("At", time(span.start))),
    ...section("Attributes", span.attributes, true),
    ...list("Events", span.events, (event) => [
      element("h4", {}, visible(event.name), element("small", {}, ` ${offset(event.time, span.start)}`)),
      table(event.attributes),
    ]),
    ...list("Links", span.links, (link) => [linked(link), table(link.attributes)]),
    ...section("Resource", span.resource, true),
    ...section("Scope", filled({ name: span.scope.name, version: span.scope.version })),
    ...section("Ids", filled({
      trace: span.trace_id, span: span.span_id, parent: span.parent_id, state: span.trace_state,
    })),
    shortened ? element("button", {
      onclick: (event) => run(event.currentTarget, () => download(`span-${span.span_id}.json`, `${path}?full=1`)),
    }, "Download with complete values") : "",
  ].filter((item) => item !== "");
}

function offset(at, start) {
  const after = BigInt(at) - BigInt(start);
  return after < 0n ? `${duration(-after)} before` : `+${duration(after)}`;
}

function filled(values) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value));
}

function fact(name, value) {
  return [element("dt", {}, name), element("dd", {}, value)];
}

function section(title, values, searched = false) {
  const count = Object.keys(values).length;
  if (!count) return [];
  return [element("details", { open: true }, element("summary", {}, title, count > 8 ? ` ${count}` : ""), table(values, searched))];
}

function list(title, items, show) {
  if (!items.length) return [];
  return [element("details", { open: true },
    element("summary", {}, `${title} ${items.length}`),
    ...items.slice(0, 200).flatMap(show),
    items.length > 200 ? element("p", { class: "note" }, `and ${items.length - 200} more`) : "")];
}

// The linked span with its name, once the viewer has told it; a trace that is not here says so.
function linked({ trace_id: traceId, span_id: spanId }) {
  const name = element("span", {}, `${traceId.slice(0, 8)}…  ${spanId}`);
  const link = element("a", { href: address({ trace: traceId, span: spanId }), "data-link": true }, "↗ ", name);
  if (!saved) {
    get(`/ui/api/traces/${encodeURIComponent(traceId)}`).then(({ trace, spans }) => {
      const span = spans.find((each) => each.span_id === spanId);
      name.textContent = span
        ? `${serviceName(span.service)} ${operationName(span.name)}, ${duration(span.duration)}`
        : `${operationName(trace.root_name)}, ${plural(trace.spans, "span")}`;
    }, () => { link.after(element("small", {}, " not received")); });
  }
  return element("p", {}, link);
}

function table(values, searched = false) {
  return element("table", { class: "values" }, element("tbody", {}, Object.entries(values).map(([key, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    const simple = searched && !saved && typeof value !== "object" && text.length < 200 && /^[^\s"=<>!:]+$/.test(key);
    return element("tr", {},
      element("th", { scope: "row" }, visible(key).split(/(?<=[._])/).flatMap((part) => [part, element("wbr")])),
      element("td", {},
        element("span", { class: typeof value === "string" ? "" : "literal" }, visible(text)),
        element("span", { class: "tools" },
          simple ? element("a", {
            class: "tool", "data-link": true, href: address({ q: `${key}=${quoted(text)}` }),
            title: "traces with this value", "aria-label": `Search traces with ${key}=${text}`,
          }, "find") : "",
          element("button", {
            class: "tool", title: "copy", "aria-label": `Copy ${key}`,
            onclick: (event) => copy(text, event.currentTarget),
          }, "copy"))));
  })));
}
