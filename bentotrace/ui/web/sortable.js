// A table whose columns sort it.

import { element } from "./format.js";

// columns: {title, value(row), show(row), text: true for words}; at: the column that sorts it first.
export function sortable(label, columns, rows, at, open) {
  let down = !columns[at].text;
  const body = element("tbody");
  const heads = columns.map((column, index) => element("th", { scope: "col", class: column.text ? "" : "number" },
    element("button", {
      class: "plain",
      onclick: () => {
        down = index === at ? !down : !column.text;
        at = index;
        fill();
      },
    }, column.title)));
  const fill = () => {
    const { value } = columns[at];
    const compare = (one, other) => {
      const [left, right] = [value(one), value(other)];
      return (left < right ? -1 : left > right ? 1 : 0) * (down ? -1 : 1);
    };
    heads.forEach((head, index) => {
      if (index === at) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    body.replaceChildren();
    for (const row of rows.toSorted(compare)) {
      body.append(element(
        "tr", open ? { class: "opens", onclick: (event) => event.target.closest("a, button") || open(row) } : {},
        ...columns.map((column) => element("td", { class: column.text ? "" : "number", "data-title": column.title }, column.show(row))),
      ));
    }
  };
  fill();
  return element("div", { class: "scrolled", tabindex: "0", role: "region", "aria-label": label },
    element("table", { class: "sortable" }, element("thead", {}, element("tr", {}, ...heads)), body));
}
