// An article as it comes into being and is edited: blocks in order, none of them a DOM node.
//   {id, kind: "paragraph", index, text}   text: Markdown, one line
//   {id, kind: "picture", caption, candidates, chosen, sha256, licence, source}
// A picture without `sha256` is still being looked for. `index`: which line of the text that was
// written the paragraph is, of those not blank; undefined for one that was added later.
const MAX_PARAGRAPHS = 60;
const TITLE_MARK = /^(?:\**(?:Title:|标题：|标题:)\**\s*|#{1,6} )/;

export class Article {
  title = "";
  language = "";
  blocks = [];
  #text = "";
  #nextId = 1;

  // `instruction` gives the title where the text brings none; `language`: BCP 47, or "".
  constructor(instruction, language) {
    this.title = instruction.trim().split("\n")[0];
    this.language = language;
  }

  paragraphs() {
    return this.blocks.filter((block) => block.kind === "paragraph");
  }

  pictures() {
    return this.blocks.filter((block) => block.kind === "picture" && block.sha256);
  }

  // What the router tells: a ComposeEvent of proto/triptych/v1/inference.proto as JSON, where zeros
  // and empty fields are left out.
  take({ article, placement, illustration, finished }) {
    if (article) this.#write(article.text ?? "");
    if (placement) this.#place(placement);
    if (illustration) this.#illustrate(illustration);
    if (finished) this.finish(finished.title);
  }

  // No more comes. What is still being looked for is given up, and a heading at the beginning is
  // the title's, as the router has it. Doing so twice changes nothing.
  finish(title) {
    this.blocks = this.blocks.filter((block) => block.kind === "paragraph" || block.sha256);
    const first = this.blocks.find((block) => block.kind === "paragraph");
    const heading = first?.index === 0 && TITLE_MARK.test(first.text)
      ? first.text.replace(TITLE_MARK, "").replace(/\*+$/, "").trim() : "";
    if (heading) this.remove(first.id);
    this.title = title || heading || this.title;
  }

  block(id) {
    return this.blocks.find((block) => block.id === id);
  }

  insertAfter(id, text) {
    const added = this.#paragraph(text);
    this.blocks.splice(this.#positionOf(id) + 1, 0, added);
    return added;
  }

  remove(id) {
    this.blocks.splice(this.#positionOf(id), 1);
  }

  // By +1 or -1 places; at the edge it stays.
  move(id, by) {
    const from = this.#positionOf(id);
    const to = from + by;
    if (to < 0 || to >= this.blocks.length) return;
    const [block] = this.blocks.splice(from, 1);
    this.blocks.splice(to, 0, block);
  }

  // Another candidate for a picture. Credits are those of the candidate: the ones of the picture
  // that it replaces are never passed on.
  choose(id, chosen) {
    const block = this.block(id);
    const { sha256, licence, source } = block.candidates[chosen];
    Object.assign(block, { chosen, sha256, licence, source });
  }

  #write(text) {
    this.#text += text;
    const written = this.paragraphs();
    splitParagraphs(this.#text).forEach((line, index) => {
      if (written[index]) written[index].text = line;
      else this.blocks.push(this.#paragraph(line, index));
    });
  }

  #place({ after_paragraph: after = 0, caption = "" }) {
    const picture = {
      id: this.#nextId++, kind: "picture", after, caption, candidates: [], chosen: 0, sha256: null,
      licence: "", source: "",
    };
    let position = this.blocks.findLastIndex((block) => block.index <= after) + 1;
    while (this.blocks[position]?.kind === "picture") position += 1;
    this.blocks.splice(position, 0, picture);
    return picture;
  }

  #illustrate(illustration) {
    const { after_paragraph: after = 0, caption = "", chosen = 0, image_sha256: sha256,
            licence = "", source = "" } = illustration;
    const waiting = (block) => block.kind === "picture" && block.after === after && !block.sha256;
    const block = this.blocks.find(waiting) ?? this.#place(illustration);
    const candidates = (illustration.candidates ?? []).map((candidate, i) => ({
      sha256: candidate.image_sha256,
      description: candidate.description ?? "",
      licence: i === chosen ? licence : candidate.licence ?? "",
      source: i === chosen ? source : candidate.source ?? "",
    }));
    Object.assign(block, { candidates, chosen, sha256, licence, source });
    block.caption = caption || block.caption;
  }

  #paragraph(text, index) {
    return { id: this.#nextId++, kind: "paragraph", index, text };
  }

  #positionOf(id) {
    return this.blocks.findIndex((block) => block.id === id);
  }
}

// The lines that are not blank, as the router counts them (router/compose/article_text.h).
export function splitParagraphs(text) {
  return text.split("\n").map((line) => line.replace(/^[ \t\r\v\f\u00a0\u3000]+|\r+$/g, ""))
    .filter(Boolean).slice(0, MAX_PARAGRAPHS);
}
