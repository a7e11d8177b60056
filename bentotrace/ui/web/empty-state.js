// What to do while there is nothing to show.

import { address, parameters } from "./address.js";
import { get } from "./api.js";
import { copy, element, visible } from "./format.js";

const KEYS = ["service", "operation", "kind", "status", "duration", "trace", "trace.duration"];

export function nothingFound(query) {
  // Only the keys above have a colon; anything else with one was searched as words.
  const [, key, value] = [...query.matchAll(/(?<=^|\s)([^\s"=<>!:]+):([^\s/]\S*)/g)]
    .find(([, each]) => !KEYS.includes(each)) ?? [];
  return element("div", { class: "empty" },
    element("h2", {}, "No trace matches"),
    element("p", {}, "One span must meet every condition of the search, in the time range."),
    key ? element("p", {}, "To search an attribute, write = instead of the colon: ",
      element("a", { href: address({ q: query.replace(`${key}:`, `${key}=`) }, parameters()), "data-link": true, class: "code" },
        visible(`${key}=${value}`))) : "",
    element("p", {}, element("a", { href: address({}), "data-link": true }, "Show all traces")));
}

export async function nothingYet() {
  const { listeners } = await get("/ui/api/status");
  const otlp = listeners.find((listener) => listener.name === "otlp_http");
  const host = location.hostname === "localhost" ? "127.0.0.1" : location.hostname;
  const url = `http://${host}:${otlp.address.split(":").at(-1)}`;
  const id = (bytes) => [...crypto.getRandomValues(new Uint8Array(bytes))]
    .map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const body = JSON.stringify({ resourceSpans: [{
    resource: { attributes: [{ key: "service.name", value: { stringValue: "curl" } }] },
    scopeSpans: [{ spans: [{
      traceId: id(16), spanId: id(8), name: "hello", kind: 2,
      startTimeUnixNano: `${Date.now()}000000`, endTimeUnixNano: `${Date.now() + 250}000000`,
    }] }],
  }] });
  const line = `curl ${url}/v1/traces -H 'Content-Type: application/json' -d '${body}'`;
  return element("div", { class: "empty" },
    element("h2", {}, "Nothing has arrived yet"),
    element("p", {}, "Send one span from a terminal:"),
    command(line),
    otlp.problem ? element("p", { class: "errors" }, `OTLP over HTTP is not available: ${otlp.problem}`) : "",
    element("p", {}, "Or point a program that OpenTelemetry traces here:"),
    command(`OTEL_EXPORTER_OTLP_ENDPOINT=${url} OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf python app.py`),
    element("p", {}, "These ports receive spans:"),
    element("table", { class: "ports" }, element("tbody", {},
      ...listeners.filter(({ name }) => name !== "page").map((listener) => element(
        "tr", {}, element("th", { scope: "row" }, listener.title),
        element("td", {}, element("code", {}, listener.address)),
        element("td", { class: "errors" }, listener.problem ? `not available: ${listener.problem}` : ""),
      )))));
}

function command(line) {
  return element("div", { class: "command" }, element("pre", { tabindex: "0" }, line),
    element("button", { onclick: (event) => copy(line, event.currentTarget) }, "Copy"));
}
