// Why a view cannot be shown.

import { element } from "./format.js";

export function notShown(title, error) {
  return element("div", { class: "empty" }, element("h2", {}, title), element("p", { class: "errors" }, error.message),
    element("p", {}, element("a", { href: "/", "data-link": true }, "All traces")));
}
