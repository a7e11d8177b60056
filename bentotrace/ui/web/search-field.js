// The search field, with completion of its keys and of the values that the viewer knows.

import { address, go, parameters } from "./address.js";
import { get } from "./api.js";
import { element, quoted, visible } from "./format.js";

const MOST = 12;

class SearchField extends HTMLElement {
  connectedCallback() {
    this.input = element("input", {
      type: "search", name: "q", autocomplete: "off", spellcheck: "false", role: "combobox",
      "aria-expanded": "false", "aria-controls": "completions", "aria-autocomplete": "list",
      placeholder: 'service:iris status:error duration>100ms http.route=/x words   ( / )',
      "aria-label": "Search traces",
    });
    this.list = element("ul", { id: "completions", role: "listbox", "aria-label": "Completions", hidden: true });
    const form = element("form", { role: "search" }, this.input, this.list);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.search();
    });
    this.input.addEventListener("input", () => {
      this.narrow();
      this.complete();
    });
    this.input.addEventListener("focus", () => this.complete());
    this.input.addEventListener("blur", () => this.offer([]));
    this.input.addEventListener("keydown", (event) => this.onInputKey(event));
    // Before the field loses the focus.
    this.list.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      const at = [...this.list.children].indexOf(event.target.closest("li"));
      if (at >= 0) this.take(at);
    });
    this.offers = [];
    this.append(form);
  }

  set value(text) {
    if (document.activeElement !== this.input) this.input.value = text;
  }

  focus() {
    this.input.focus();
    this.input.select();
  }

  search() {
    this.offer([]);
    const given = parameters();
    const kept = { after: given.get("after"), before: given.get("before"), since: given.get("since") };
    go(address({ ...kept, q: this.input.value.trim() }));
  }

  onInputKey(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in steps && this.offers.length) {
      this.at = Math.min(Math.max(this.at + steps[event.key], -1), this.offers.length - 1);
      this.mark();
    } else if ((event.key === "Enter" && this.at >= 0) || (event.key === "Tab" && this.offers.length && this.typed().prefix)) {
      this.take(Math.max(this.at, 0));
    } else if (event.key === "Escape") {
      if (this.offers.length) this.offer([]);
      else this.input.blur();
    } else return;
    event.preventDefault();
  }

  // The part that is typed: what comes before it, the key it belongs to, the beginning of its value.
  typed() {
    const text = this.input.value.slice(0, this.input.selectionStart);
    const words = text.match(/(?:[^\s"]|"(?:[^"\\]|\\.)*(?:"|$))+|\s+/g) ?? [];
    const last = /^\s/.test(words.at(-1) ?? " ") ? "" : words.at(-1);
    const before = text.slice(0, text.length - last.length);
    const [, key, operator, prefix] = last.match(/^([^\s"=<>!:]+)(:|!?=)"?(.*)$/s) ?? ["", "", "", last];
    return { before, key, operator, prefix, after: this.input.value.slice(text.length) };
  }

  // Until the viewer answers, only what fits the text is offered: Tab must not take anything else.
  narrow() {
    const { before, key, prefix } = this.typed();
    this.offer(this.offers.filter((offer) => offer.before === before && offer.key === key
      && offer.title.toLowerCase().includes(prefix.toLowerCase())));
  }

  async complete() {
    const typed = this.typed();
    const request = {};
    this.request = request;
    const query = `key=${encodeURIComponent(typed.key)}&prefix=${encodeURIComponent(typed.prefix)}`;
    const values = await get(`/ui/api/suggest?${query}`).catch(() => []);
    if (this.request !== request || document.activeElement !== this.input) return;
    const exact = values.length === 1 && values[0] === typed.prefix;
    this.offer(exact ? [] : values.slice(0, MOST).map((value) => ({
      title: value,
      before: typed.before,
      key: typed.key,
      text: typed.before + (typed.key ? `${typed.key}${typed.operator}${quoted(value)} ` : value),
      after: typed.after,
    })));
  }

  offer(offers) {
    this.offers = offers;
    this.at = -1;
    if (!offers.length) this.request = null;
    this.list.hidden = !offers.length;
    this.input.setAttribute("aria-expanded", String(offers.length > 0));
    this.list.replaceChildren(...offers.map(({ title }, at) => element(
      "li", { role: "option", id: `completion-${at}`, "aria-selected": "false" }, visible(title),
    )));
    this.mark();
  }

  mark() {
    [...this.list.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === this.at)));
    if (this.at < 0) this.input.removeAttribute("aria-activedescendant");
    else this.input.setAttribute("aria-activedescendant", `completion-${this.at}`);
    this.list.children[this.at]?.scrollIntoView({ block: "nearest" });
  }

  take(at) {
    const { text, after } = this.offers[at];
    this.input.value = text + after.trimStart();
    this.input.setSelectionRange(text.length, text.length);
    this.complete();
  }
}

customElements.define("search-field", SearchField);
