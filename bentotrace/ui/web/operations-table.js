// The operations of a trace: how often, how long, and how much of it in themselves.

import { colour, duration, element, operationName, percent, place, serviceName } from "./format.js";
import { sortable } from "./sortable.js";
import { operations } from "./tree.js";

export function operationsTable({ nodes, roots }, chosen) {
  const rows = operations(nodes);
  const whole = Math.max(rows.reduce((sum, row) => sum + row.self, 0), 1);
  const way = roots.reduce((most, root) => Math.max(most, root.end - root.start), 1);
  return sortable("Operations", [
    {
      title: "Operation", text: true, value: (row) => row.service + row.name,
      show: (row) => element("button", { class: "plain name", onclick: () => chosen(row.longest) },
        element("b", { class: colour(row.service) }, serviceName(row.service)), ` ${operationName(row.name)}`),
    },
    { title: "Calls", value: (row) => row.count, show: (row) => row.count.toLocaleString("en") },
    { title: "Errors", value: (row) => row.errors, show: (row) => (row.errors ? element("span", { class: "errors" }, row.errors) : "") },
    { title: "Total", value: (row) => row.total, show: (row) => duration(row.total) },
    { title: "Self", value: (row) => row.self, show: (row) => duration(row.self) },
    {
      title: "Share", value: (row) => row.self,
      show: (row) => element("span", { class: "share" }, percent(row.self / whole),
        element("span", { class: "track" }, place(element("span", { class: `span ${colour(row.service)}` }), 0, row.self / whole))),
    },
    { title: "Critical", value: (row) => row.critical, show: (row) => (row.critical ? percent(row.critical / way) : "") },
    { title: "Mean", value: (row) => row.total / row.count, show: (row) => duration(row.total / row.count) },
    { title: "Longest", value: (row) => row.longest.end - row.longest.start, show: (row) => duration(row.longest.end - row.longest.start) },
  ], rows, 4);
}
