// The inline part of Markdown: code, strong, emphasis, deletion, links, line breaks. It builds
// nodes from text that nobody vouches for: HTML stays text, links lead to http, https and mail
// alone, and pictures become links, so that nothing is fetched. Takes time linear in the text.
import { element } from "./element.js";

const SPECIAL = /[\\`*_~[!\n]|https?:\/\//g;
const LABEL = /!?\[((?:[^[\]\\]|\\.)*)\]/;
const TARGET = /\(\s*<?([^\s()<>]*(?:\([^\s()<>]*\)[^\s()<>]*)*)>?(?:\s+"[^"]*")?\s*\)/;
const LINK = new RegExp(LABEL.source + TARGET.source, "y");
const ADDRESS = /https?:\/\/[^\s<>"'`)\]]*[^\s<>"'`)\].,;:!?*_~]/y;
const ESCAPE = /\\([!-/:-@[-`{-~])/y;
const MARKERS = { "**": "strong", "__": "strong", "~~": "del", "*": "em", "_": "em" };
const MAX_DEPTH = 8;

// A fragment.
export function renderInline(text, depth = 0) {
  return new InlineText(text, depth).render();
}

class InlineText {
  #text;
  #depth;
  #at = 0;
  #unclosed = new Set();  // markers that nothing closes from here on
  #out = document.createDocumentFragment();

  constructor(text, depth) {
    this.#text = text;
    this.#depth = depth;
  }

  render() {
    while (this.#at < this.#text.length) {
      SPECIAL.lastIndex = this.#at;
      const next = SPECIAL.exec(this.#text)?.index ?? this.#text.length;
      this.#out.append(this.#text.slice(this.#at, next));
      this.#at = next;
      if (next < this.#text.length && !this.#special()) this.#out.append(this.#text[this.#at++]);
    }
    this.#out.normalize();
    return this.#out;
  }

  // Renders what stands here and steps behind it; false: it is nothing special.
  #special() {
    switch (this.#text[this.#at]) {
      case "\n":
        this.#out.append(element("br"));
        this.#at += 1;
        return true;
      case "\\": {
        const escape = this.#match(ESCAPE);
        if (escape) this.#out.append(escape[1]);
        return escape !== null;
      }
      case "`":
        return this.#code();
      case "[":
      case "!":
        return this.#link();
      case "h": {
        const address = this.#match(ADDRESS)?.[0];
        if (address) this.#out.append(linkTo(address, address) ?? address);
        return address !== undefined;
      }
      default:
        return this.#marked();
    }
  }

  #match(pattern) {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match) this.#at = pattern.lastIndex;
    return match;
  }

  #code() {
    const ticks = /`+/y;
    ticks.lastIndex = this.#at;
    const [fence] = ticks.exec(this.#text);
    const begin = this.#at + fence.length;
    let end = this.#unclosed.has(fence) ? -1 : this.#text.indexOf(fence, begin);
    while (end >= 0 && this.#text[end + fence.length] === "`") {
      let rest = end + fence.length;
      while (this.#text[rest] === "`") rest += 1;
      end = this.#text.indexOf(fence, rest);
    }
    if (end < 0) {
      this.#unclosed.add(fence);
      this.#out.append(fence);
      this.#at = begin;
      return true;
    }
    const code = this.#text.slice(begin, end).replaceAll("\n", " ");
    this.#out.append(element("code", {}, /^ .*\S.* $/.test(code) ? code.slice(1, -1) : code));
    this.#at = end + fence.length;
    return true;
  }

  #link() {
    const link = this.#match(LINK);
    if (!link) return false;
    const [whole, label, address] = link;
    const words = label || address;
    const node = this.#depth < MAX_DEPTH && linkTo(address, renderInline(words, MAX_DEPTH));
    this.#out.append(node || whole);
    return true;
  }

  #marked() {
    if (this.#depth >= MAX_DEPTH) return false;
    for (const [marker, name] of Object.entries(MARKERS)) {
      const begin = this.#at + marker.length;
      if (!this.#text.startsWith(marker, this.#at) || !this.#opens(marker)) continue;
      const end = this.#endOf(marker, begin);
      if (end < 0) continue;
      const content = renderInline(this.#text.slice(begin, end), this.#depth + 1);
      this.#out.append(element(name, {}, content));
      this.#at = end + marker.length;
      return true;
    }
    return false;
  }

  // An underscore within a word is none.
  #opens(marker) {
    const after = this.#text[this.#at + marker.length];
    return after !== undefined && !/\s/.test(after) &&
           !(marker[0] === "_" && /[\p{L}\p{N}]/u.test(this.#text[this.#at - 1] ?? ""));
  }

  #endOf(marker, begin) {
    if (this.#unclosed.has(marker)) return -1;
    let end = this.#text.indexOf(marker, begin + 1);
    for (; end >= 0; end = this.#text.indexOf(marker, end + 1)) {
      const after = this.#text[end + marker.length] ?? "";
      if (/\s/.test(this.#text[end - 1])) continue;
      if (marker[0] === "_" && /[\p{L}\p{N}]/u.test(after)) continue;
      if (after !== marker[0]) return end;
      if (marker.length === 1) end += 1;  // one that is double closes nothing single
    }
    this.#unclosed.add(marker);
    return -1;
  }
}

// Null where the address is none that is safe to open.
function linkTo(address, words) {
  if (!URL.canParse(address)) return null;
  const { protocol } = new URL(address);
  if (!["http:", "https:", "mailto:"].includes(protocol)) return null;
  return element("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, words);
}
