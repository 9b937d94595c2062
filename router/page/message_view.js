// One message of the conversation on the page.
import { copyText } from "./clipboard.js";
import { announce, button, element } from "./element.js";
import { StreamedMarkdown } from "./markdown.js";

export function questionView({ text, pictures }) {
  const shown = pictures.map(({ name, dataUri }) => element("img", { src: dataUri, alt: name }));
  return element("article", { class: "message user", "aria-label": "You" },
    shown.length > 0 ? element("div", { class: "sent" }, ...shown) : null,
    text ? element("div", { class: "words", dir: "auto", lang: "" }, text) : null);
}

// An answer while it comes and after. It is busy until finish() or fail(), so that screen readers
// read it once, as a whole.
export class AnswerView {
  node = element("article",
                 { class: "message", "aria-label": "Answer", "aria-busy": "true" });
  #body = element("div", { class: "text", dir: "auto", lang: "" });
  #markdown = new StreamedMarkdown(this.#body, 3);
  #text = "";
  #frame = 0;
  #again = null;

  constructor() {
    this.node.append(this.#body);
  }

  // Shows the text so far, at the next frame.
  show(text) {
    this.#text = text;
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  // `note`: what is to be said of the answer, such as its cost.
  finish(note) {
    this.#end();
    if (!this.#text) return this.#body.append(element("p", { class: "hint" }, "No answer."));
    this.node.append(element("footer", {}, this.#copyButton(), element("span", {}, note)));
  }

  // `again` is called when the user wants to try again.
  fail(message, again) {
    this.#end();
    this.#again = button("Try again", again);
    const copy = this.#text ? this.#copyButton() : null;
    this.node.append(element("p", { class: "error", role: "alert" }, message),
                     element("footer", {}, copy, this.#again));
  }

  // The conversation goes on: it is too late to try again.
  giveUp() {
    this.#again?.remove();
  }

  #end() {
    this.#draw();
    this.node.removeAttribute("aria-busy");
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#markdown.update(this.#text);
  }

  #copyButton() {
    return button("Copy", async () => {
      const copied = await copyText(this.#text);
      announce(copied ? "Copied" : "The browser did not allow to copy");
    }, { class: "quiet" });
  }
}
