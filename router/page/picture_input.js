// The pictures that a form is about to send: dropped on its view, pasted while the view is shown,
// or chosen; each is shown with a button that removes it.
import { announce, button, element } from "./element.js";
import { MAX_PICTURES, readPicture } from "./picture_file.js";

export class PictureInput {
  #pictures = [];
  #view;
  #list;
  #chooser;
  #report;

  // `report` is called with an error in words, or with "" when what was wrong is over.
  constructor(view, report) {
    this.#view = view;
    this.#list = view.querySelector(".previews");
    this.#chooser = view.querySelector("input[type=file]");
    this.#report = report;
    this.#chooser.addEventListener("change", () => {
      const files = [...this.#chooser.files];
      this.#chooser.value = "";  // so that the same file can be chosen again
      this.add(files);
    });
    document.addEventListener("paste", (event) => this.#paste(event));
    view.addEventListener("dragover", (event) => this.#drag(event));
    view.addEventListener("dragleave", (event) => {
      if (!view.contains(event.relatedTarget)) view.classList.remove("dropping");
    });
    view.addEventListener("drop", (event) => this.#drop(event));
  }

  // [{name, dataUri}]
  get pictures() {
    return [...this.#pictures];
  }

  clear() {
    this.#pictures = [];
    this.#show();
  }

  async add(files) {
    this.#report("");
    const problems = [];
    for (const file of files) {
      if (this.#pictures.length >= MAX_PICTURES) {
        problems.push(`At most ${MAX_PICTURES} pictures can be sent at once.`);
        break;
      }
      try {
        this.#pictures.push(await readPicture(file));
      } catch (error) {
        problems.push(error.message);
      }
    }
    if (problems.length > 0) this.#report(problems.join(" "));
    this.#show();
    announce(`${this.#pictures.length} pictures to send`);
  }

  #paste(event) {
    const files = [...(event.clipboardData?.files ?? [])];
    if (this.#view.hidden || files.length === 0) return;
    event.preventDefault();
    this.add(files);
  }

  #drag(event) {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    this.#view.classList.add("dropping");
  }

  #drop(event) {
    this.#view.classList.remove("dropping");
    if (event.dataTransfer.files.length === 0) return;
    event.preventDefault();
    this.add([...event.dataTransfer.files]);
  }

  #remove(picture) {
    this.#pictures = this.#pictures.filter((other) => other !== picture);
    this.#show();
    this.#chooser.focus();
  }

  #show() {
    this.#list.hidden = this.#pictures.length === 0;
    this.#list.replaceChildren(...this.#pictures.map((picture) => element("li", {},
      element("img", { src: picture.dataUri, alt: picture.name }),
      button("×", () => this.#remove(picture), { "aria-label": `Remove ${picture.name}` }))));
  }
}
