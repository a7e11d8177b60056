// The page's address: what it shows is in the parameters, so that every view is a permalink.

import { saved } from "./api.js";

export function parameters() {
  return new URLSearchParams(saved ? `trace=${saved.traceId}` : location.search);
}

export function address(changes, base = {}) {
  const made = new URLSearchParams(base);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") made.delete(key);
    else made.set(key, value);
  }
  const text = made.toString();
  return text ? `/?${text}` : "/";
}

// Changes the address without a new entry in the history; a saved file's address stays.
export function replace(changes) {
  if (!saved) history.replaceState(history.state, "", address(changes, parameters()));
}

export function go(target) {
  document.dispatchEvent(new CustomEvent("go", { detail: target }));
}
