// A picture of an article on the page: its place while it is looked for, then the picture with its
// caption, its credit and the other candidates.
import { button, element } from "./element.js";

export class PictureView {
  node = element("figure", { class: "block picture waiting" });
  #block;
  #edits;
  #cache;
  #image = element("img", { alt: "" });
  #caption = element("textarea", { rows: "1", dir: "auto", "aria-label": "Caption" });
  #credit = element("p", { class: "credit" });
  #problem = element("p", { class: "error", role: "alert", hidden: true });
  #tools;
  #sha256 = null;  // of the picture that is shown

  // `edits`: choose(block, index), move(block, by), remove(block).
  constructor(block, edits, cache) {
    this.#block = block;
    this.#edits = edits;
    this.#cache = cache;
    this.#caption.addEventListener("input", () => this.#setCaption());
    this.#tools = element("div", { class: "actions", hidden: true },
      button("↑ Up", (event) => this.#move(-1, event), { "aria-label": "Move the picture up" }),
      button("↓ Down", (event) => this.#move(1, event), { "aria-label": "Move the picture down" }),
      button("Remove", () => edits.remove(block), { "aria-label": "Remove the picture" }));
    for (const control of this.#tools.children) control.classList.add("quiet");
    this.node.append(element("div", { class: "place" }, "Looking for a picture"),
                     element("figcaption", { dir: "auto" }, block.caption));
  }

  update(editable) {
    const { sha256, caption, licence, source } = this.#block;
    this.#tools.hidden = !editable;
    if (!sha256) return;
    if (this.#sha256 === null) this.#arrive();
    if (this.#caption.value !== caption) this.#caption.value = caption;
    this.#image.alt = caption || this.#description();
    this.#credit.textContent = [source, licence].filter(Boolean).join(", ");
    if (this.#sha256 !== sha256) this.#show(sha256);
  }

  focus() {
    this.#tools.lastChild.focus();
  }

  discard() {}

  #arrive() {
    this.node.classList.remove("waiting");
    const parts = [this.#image, this.#problem,
                   element("figcaption", {}, this.#caption, this.#credit)];
    if (this.#block.candidates.length > 1) parts.push(this.#candidates());
    this.node.replaceChildren(...parts, this.#tools);
  }

  async #show(sha256) {
    this.#sha256 = sha256;
    this.#problem.hidden = true;
    try {
      const { url } = await this.#cache.get(sha256);
      if (this.#sha256 === sha256) this.#image.src = url;
    } catch (error) {
      if (this.#sha256 !== sha256) return;
      this.#image.removeAttribute("src");
      this.#problem.textContent = `The picture could not be loaded: ${error.message}`;
      this.#problem.hidden = false;
    }
  }

  // A candidate whose picture the router does not give cannot be chosen.
  #candidates() {
    const legend = element("legend", {}, "Choose another");
    const set = element("fieldset", { class: "candidates" }, legend);
    this.#block.candidates.forEach(({ sha256, description }, i) => {
      const choice = element("input", { type: "radio", class: "unseen", value: String(i),
                                        name: `picture-${this.#block.id}`,
                                        checked: i === this.#block.chosen,
                                        change: () => this.#edits.choose(this.#block, i) });
      const image = element("img", { alt: description || `Candidate ${i + 1}` });
      const label = element("label", { title: description }, choice, image);
      const leaveOut = () => {
        label.remove();
        set.hidden = set.querySelectorAll("label").length < 2;
      };
      image.addEventListener("error", leaveOut);
      set.append(label);
      this.#cache.get(sha256).then(({ url }) => { image.src = url; }, leaveOut);
    });
    return set;
  }

  #setCaption() {
    this.#block.caption = this.#caption.value.replaceAll("\n", " ");
    this.#image.alt = this.#block.caption || this.#description();
  }

  #description() {
    return this.#block.candidates[this.#block.chosen]?.description || "Picture";
  }

  #move(by, event) {
    this.#edits.move(this.#block, by);
    event.currentTarget.focus();  // moving the node took it away
  }
}
