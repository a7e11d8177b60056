// The page: an address, the element that shows it, and the keys that lead on.

import { parameters } from "./address.js";
import { follow, saved } from "./api.js";
import { element, plural } from "./format.js";
import { notShown } from "./not-shown.js";
import "./search-field.js";
import "./trace-list.js";
import "./trace-view.js";

const main = document.getElementById("main");
const status = document.querySelector("live-status");
const field = document.querySelector("search-field");

function loaded(view, script) {
  script.catch((error) => view.replaceChildren(notShown("This view cannot be shown", error)));
}

function show() {
  const given = parameters();
  const trace = given.get("trace");
  const compared = given.get("compare");
  let view;
  if (trace) view = element("trace-view", { "trace-id": trace, "span-id": given.get("span") ?? undefined });
  else if (compared) {
    view = element("compare-view", { one: compared, other: given.get("with") ?? undefined });
    loaded(view, import("./compare-view.js"));
  } else if (given.has("services")) {
    view = element("services-view");
    loaded(view, import("./services-view.js"));
  } else view = element("trace-list");
  if (field) field.value = given.get("q") ?? "";
  document.title = "bentotrace";
  view.kept = history.state?.left;
  main.replaceChildren(view);
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.getAttribute("href") === (given.has("services") ? "/?services=" : "/");
    if (here && !trace && !compared) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

// An entry knows that the page made it, and what the view before had in sight.
function go(target) {
  history.replaceState({ ...history.state, left: main.firstElementChild.left?.() }, "");
  history.pushState({ inside: true }, "", target);
  show();
  scrollTo(0, 0);
}

document.addEventListener("go", (event) => go(event.detail));
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-link]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  event.preventDefault();
  if (!saved) go(link.getAttribute("href"));
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
window.addEventListener("popstate", show);

const KEYS = [
  ["/", "search; in a trace: find a span"],
  ["↑ ↓ or j k", "previous, next row"],
  ["Enter", "open"],
  ["← →", "collapse, expand"],
  ["[ ]", "collapse all, expand all"],
  ["z  0", "zoom to the span, show the whole trace"],
  ["e", "next error"],
  ["1 2 3", "waterfall, flame graph, operations"],
  ["c", "mark a trace of the list to compare it"],
  ["p", "pause the live list"],
  ["Esc", "back"],
  ["?", "this list"],
];
const help = element(
  "dialog", { "aria-label": "Keys" },
  element("h2", {}, "Keys"),
  element("dl", {}, ...KEYS.flatMap(([key, meaning]) => [
    element("dt", {}, element("kbd", {}, key)), element("dd", {}, meaning),
  ])),
  element("button", { onclick: () => help.close() }, "Close"),
);
document.body.append(help);
document.querySelector("header .keys")?.addEventListener("click", () => help.showModal());

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches?.("input:not([type=checkbox]), textarea, select");
  if (typing || event.metaKey || event.ctrlKey || event.altKey || help.open) return;
  const view = main.firstElementChild;
  const menu = document.querySelector("details.menu[open]");
  if (event.key === "?") help.showModal();
  else if (event.key === "Escape" && menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
  else if (event.key === "Escape" && view.localName !== "trace-list" && !saved) {
    if (history.state?.inside) history.back();
    else go("/");
  } else {
    view?.onKey?.(event);
    if (event.key !== "/" || event.defaultPrevented || !field) return;
    event.preventDefault();
    field.focus();
  }
});

show();
if (!saved) {
  follow(
    (counts) => {
      status.replaceChildren(plural(counts.traces, "trace"), element("span", {}, `, ${plural(counts.spans, "span")}`));
      main.firstElementChild?.onChange?.(counts);
    },
    (connected) => {
      status.classList.toggle("lost", !connected);
      if (!connected) status.textContent = "not connected";
    },
  );
}
