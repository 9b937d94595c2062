// A paragraph on the page, and the editor that takes its place: by hand, or by the model.
import { announce, button, element, showMessage } from "./element.js";
import { asParagraph, editingRequest } from "./editing_prompts.js";
import { StreamedMarkdown } from "./markdown.js";
import { streamChat } from "./server.js";

export class ParagraphView {
  node = element("div", { class: "block" });
  #block;
  #edits;
  #body = element("div", { class: "text", dir: "auto" });
  #markdown = new StreamedMarkdown(this.#body, 3);
  #edit = button("Edit", () => this.#open(), { class: "quiet" });
  #shown = element("div", { class: "paragraph" }, this.#body, this.#edit);
  #editor = null;

  // `edits`: model(), next(block), insertAfter(block, text), remove(block), changed().
  constructor(block, edits) {
    this.#block = block;
    this.#edits = edits;
    this.node.append(this.#shown);
  }

  update(editable) {
    this.#markdown.update(this.#block.text);
    this.#edit.hidden = !editable;
    this.#edit.setAttribute("aria-label", `Edit: ${this.#block.text.slice(0, 60)}`);
  }

  focus() {
    this.#edit.focus();
  }

  discard() {
    this.#editor?.stop();
  }

  #open() {
    this.#editor = new ParagraphEditor(this.#block, this.#edits, () => this.#close());
    this.node.replaceChildren(this.#editor.node);
    this.#editor.focus();
  }

  #close() {
    this.#editor = null;
    this.node.replaceChildren(this.#shown);
    this.focus();
  }
}

class ParagraphEditor {
  node;
  #block;
  #edits;
  #close;
  #text = element("textarea", { dir: "auto", "aria-label": "The paragraph" });
  #material = element("input", { type: "text", dir: "auto" });
  #error = element("p", { class: "error", role: "alert", hidden: true });
  #stop = button("Stop", () => this.#running?.abort(), { hidden: true });
  #resting = [];  // buttons that are of no use while the model writes
  #running = null;

  constructor(block, edits, close) {
    this.#block = block;
    this.#edits = edits;
    this.#close = close;
    this.#text.value = block.text;
    const asking = [
      button("Rewrite", () => this.#ask("rewrite")),
      button("Expand", () => this.#ask("expand")),
      button("Shorten", () => this.#ask("shorten")),
      button("Write one below", () => this.#ask("insert")),
    ];
    const apply = button("Apply", () => this.#apply(), { class: "primary" });
    const remove = button("Remove paragraph", () => edits.remove(block));
    this.#resting = [...asking, apply, remove];
    this.node = element("div", { class: "editor", role: "group", "aria-label": "Edit a paragraph",
                                 keydown: (event) => event.key === "Escape" && this.#cancel() },
      this.#text,
      element("label", {}, "What it should be about (optional)", this.#material),
      element("div", { class: "actions" }, ...asking, this.#stop),
      this.#error,
      element("div", { class: "actions" }, apply, button("Cancel", () => this.#cancel()), remove));
  }

  focus() {
    this.#text.focus();
  }

  stop() {
    this.#running?.abort();
  }

  // Shows the answer in place of the text as it comes; a paragraph below goes into the article.
  async #ask(kind) {
    const before = this.#text.value;
    const next = this.#edits.next(this.#block)?.text;
    const material = this.#material.value.trim();
    const request = editingRequest(this.#edits.model(), kind, { text: before, next, material });
    const running = new AbortController();
    let answer = "";
    this.#setRunning(running);
    try {
      for await (const { text } of streamChat(request, running.signal)) {
        answer += text ?? "";
        if (text) this.#text.value = asParagraph(answer);
      }
      if (!asParagraph(answer)) throw new Error("The model answered nothing.");
      announce("The paragraph is written");
    } catch (error) {
      if (!running.signal.aborted) showMessage(this.#error, error.message);
      if (!running.signal.aborted || kind === "insert") answer = "";
    }
    this.#text.value = kind === "insert" ? before : asParagraph(answer) || before;
    this.#setRunning(null);
    if (kind === "insert" && answer) this.#edits.insertAfter(this.#block, asParagraph(answer));
  }

  #setRunning(running) {
    const hadFocus = this.node.contains(document.activeElement);
    this.#running = running;
    for (const control of this.#resting) control.disabled = running !== null;
    this.#stop.hidden = running === null;
    this.#text.readOnly = running !== null;
    this.#text.setAttribute("aria-busy", String(running !== null));
    if (running) showMessage(this.#error, "");
    if (hadFocus) (running ? this.#stop : this.#text).focus();
  }

  #apply() {
    const text = asParagraph(this.#text.value);
    if (!text) return this.#edits.remove(this.#block);
    this.#block.text = text;
    this.#edits.changed();
    this.#close();
  }

  #cancel() {
    this.stop();
    this.#close();
  }
}
