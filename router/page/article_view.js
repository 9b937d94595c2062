// An article on the page, in step with an Article: its blocks' views, and what editing does to it.
import { announce, element } from "./element.js";
import { ParagraphView } from "./paragraph_view.js";
import { PictureView } from "./picture_view.js";

export class ArticleView {
  #node;
  #article;
  #cache;
  #model;
  #title = element("h2", { dir: "auto", contenteditable: "plaintext-only", hidden: true });
  #views = new Map();  // by block id
  #editable = false;
  #frame = 0;

  // Fills `node`. `cache`: a PictureCache; `model` tells the name of the chosen model.
  constructor(node, article, cache, model) {
    this.#node = node;
    this.#article = article;
    this.#cache = cache;
    this.#model = model;
    node.replaceChildren(this.#title);
    node.setAttribute("aria-busy", "true");
    node.lang = article.language;  // "": unknown, and not that of the page
    this.#title.addEventListener("input", () => {
      article.title = this.#title.textContent.replaceAll("\n", " ").trim();
    });
    this.#title.addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.preventDefault();  // a title is one line
    });
  }

  // To be called when the article has changed: at the next frame the page shows it.
  update() {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  // No more comes: from now on it can be edited.
  finish() {
    this.#editable = true;
    this.#title.textContent = this.#article.title;
    this.#title.hidden = false;
    this.#node.removeAttribute("aria-busy");
    this.#draw();
  }

  discard() {
    cancelAnimationFrame(this.#frame);
    for (const view of this.#views.values()) view.discard();
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const blocks = this.#article.blocks;
    for (const [id, view] of this.#views) {
      if (this.#article.block(id)) continue;
      view.discard();
      view.node.remove();
      this.#views.delete(id);
    }
    let before = this.#title;
    for (const block of blocks) {
      const view = this.#viewOf(block);
      view.update(this.#editable);
      if (before.nextSibling !== view.node) before.after(view.node);
      before = view.node;
    }
  }

  #viewOf(block) {
    let view = this.#views.get(block.id);
    if (!view) {
      view = block.kind === "paragraph" ? new ParagraphView(block, this.#edits())
                                        : new PictureView(block, this.#edits(), this.#cache);
      this.#views.set(block.id, view);
    }
    return view;
  }

  #edits() {
    const article = this.#article;
    return {
      model: this.#model,
      next: (block) => {
        const paragraphs = article.paragraphs();
        return paragraphs[paragraphs.indexOf(block) + 1];
      },
      changed: () => this.#draw(),
      choose: (block, index) => {
        article.choose(block.id, index);
        this.#draw();
      },
      insertAfter: (block, text) => {
        article.insertAfter(block.id, text);
        this.#draw();
      },
      move: (block, by) => {
        article.move(block.id, by);
        this.#draw();
      },
      remove: (block) => this.#remove(block),
    };
  }

  // The focus goes to what stands there now.
  #remove(block) {
    const position = this.#article.blocks.indexOf(block);
    this.#article.remove(block.id);
    this.#draw();
    const next = this.#article.blocks[position] ?? this.#article.blocks[position - 1];
    if (next) this.#views.get(next.id).focus();
    else this.#title.focus();
    announce(block.kind === "picture" ? "Picture removed" : "Paragraph removed");
  }
}
