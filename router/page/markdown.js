// The blocks of Markdown: headings, paragraphs, lists, quotations, code, tables, lines. What is
// said in markdown_inline.js holds here too: text stays text.
import { element } from "./element.js";
import { renderInline } from "./markdown_inline.js";

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const HEADING = /^(#{1,6})[ \t]+(.*)$/;
const LINE = /^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])[ \t]+/;
const TABLE_RULE = /^[ \t]*\|?(?:[ \t]*:?-+:?[ \t]*\|)+(?:[ \t]*:?-+:?[ \t]*)?$/;
const MAX_DEPTH = 8;

// Fills `node` and keeps it up to date while its text grows: blocks that stay the same stay.
export class StreamedMarkdown {
  #node;
  #firstHeading;
  #sources = [];

  // firstHeading: the level of a "#" heading.
  constructor(node, firstHeading) {
    this.#node = node;
    this.#firstHeading = firstHeading;
  }

  update(text) {
    const sources = splitBlocks(text);
    let same = 0;
    while (same < sources.length && sources[same] === this.#sources[same]) same += 1;
    while (this.#node.childNodes.length > same) this.#node.lastChild.remove();
    const added = sources.slice(same).map((source) => renderBlock(source, this.#firstHeading, 0));
    this.#node.append(...added);
    this.#sources = sources;
  }
}

// A fragment.
export function renderMarkdown(text, firstHeading, depth = 0) {
  const fragment = document.createDocumentFragment();
  fragment.append(...splitBlocks(text).map((block) => renderBlock(block, firstHeading, depth)));
  return fragment;
}

// The sources of the blocks, in order.
export function splitBlocks(text) {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  const blocks = [];
  for (let at = 0; at < lines.length;) {
    const end = lines[at].trim() === "" ? at : blockEnd(lines, at);
    if (end > at) blocks.push(lines.slice(at, end).join("\n"));
    at = Math.max(end, at + 1);
  }
  return blocks;
}

// Behind the last line of the block that begins at `at`.
function blockEnd(lines, at) {
  const first = lines[at];
  const fence = first.match(FENCE)?.[1];
  if (fence) {
    const close = lines.findIndex((line, i) => i > at && line.trim().startsWith(fence) &&
                                               line.trim().replaceAll(fence[0], "") === "");
    return close < 0 ? lines.length : close + 1;
  }
  if (HEADING.test(first) || LINE.test(first)) return at + 1;
  if (isTable(lines, at)) return endWhile(lines, at + 2, (line) => line.includes("|"));
  if (QUOTE.test(first)) return endWhile(lines, at + 1, (line) => QUOTE.test(line));
  if (ITEM.test(first)) return listEnd(lines, at);
  return endWhile(lines, at + 1, (line, i) => line.trim() !== "" && !beginsBlock(lines, i));
}

function endWhile(lines, at, holds) {
  while (at < lines.length && holds(lines[at], at)) at += 1;
  return at;
}

function beginsBlock(lines, at) {
  return [FENCE, HEADING, LINE, QUOTE, ITEM].some((pattern) => pattern.test(lines[at])) ||
         isTable(lines, at);
}

function isTable(lines, at) {
  return lines[at].includes("|") && TABLE_RULE.test(lines[at + 1] ?? "");
}

// A blank line does not end a list that goes on behind it.
function listEnd(lines, at) {
  let end = at + 1;
  for (let i = end; i < lines.length; ++i) {
    if (lines[i].trim() === "") continue;
    const goesOn = /^\s+\S/.test(lines[i]) || (ITEM.test(lines[i]) && !LINE.test(lines[i]));
    if (!goesOn && (i > end || beginsBlock(lines, i))) break;
    end = i + 1;
  }
  return end;
}

function renderBlock(source, firstHeading, depth) {
  const lines = source.split("\n");
  const heading = source.match(HEADING);
  if (depth >= MAX_DEPTH) return element("p", { dir: "auto" }, source);
  if (FENCE.test(lines[0])) return renderCode(lines);
  if (heading) {
    const level = Math.min(6, heading[1].length + firstHeading - 1);
    const words = heading[2].replace(/[ \t]+#+[ \t]*$/, "");
    return element(`h${level}`, { dir: "auto" }, renderInline(words));
  }
  if (LINE.test(source)) return element("hr");
  if (isTable(lines, 0)) return renderTable(lines);
  if (QUOTE.test(lines[0])) {
    const inner = lines.map((line) => line.replace(QUOTE, "")).join("\n");
    return element("blockquote", {}, renderMarkdown(inner, firstHeading, depth + 1));
  }
  if (ITEM.test(lines[0])) return renderList(lines, firstHeading, depth);
  return element("p", { dir: "auto" }, renderInline(source.trim()));
}

function renderCode(lines) {
  const [, fence] = lines[0].match(FENCE);
  const closed = lines.length > 1 && lines.at(-1).trim().startsWith(fence);
  const code = lines.slice(1, closed ? -1 : undefined).join("\n");
  // So that the keyboard can scroll it.
  return element("pre", { tabindex: "0" }, element("code", {}, code));
}

function renderTable(lines) {
  const [head, , ...body] = lines.map(cells);
  const row = (name, columns) => element("tr", {}, ...columns.map((cell) =>
    element(name, { dir: "auto" }, renderInline(cell))));
  const table = element("table", {},
    element("thead", {}, row("th", head)),
    element("tbody", {}, ...body.map((columns) => row("td", columns))));
  return element("div", { class: "table", tabindex: "0" }, table);
}

function cells(line) {
  const inner = line.trim().replace(/^\|/, "").replace(/\|$/, "");
  return inner.split("|").map((cell) => cell.trim());
}

function renderList(lines, firstHeading, depth) {
  const [, indent, marker] = lines[0].match(ITEM);
  const items = [];
  for (const line of lines) {
    const item = line.match(ITEM);
    if (item && item[1].length <= indent.length + 1) items.push([line.slice(item[0].length)]);
    else items.at(-1).push(line.replace(new RegExp(`^\\s{0,${indent.length + 3}}`), ""));
  }
  const ordered = /\d/.test(marker);
  const start = ordered && Number.parseInt(marker) !== 1 && Number.parseInt(marker);
  const nodes = items.map(([first, ...rest]) => element("li", { dir: "auto" }, renderInline(first),
    rest.length > 0 ? renderMarkdown(rest.join("\n"), firstHeading, depth + 1) : null));
  return element(ordered ? "ol" : "ul", { start }, ...nodes);
}
