// The composer: a form that asks for an article, the article as it comes, and its exports.
import { Article } from "./article.js";
import { articleMarkdown, articlePage, fileNameOf, pictureNames } from "./article_export.js";
import { ArticleView } from "./article_view.js";
import { download } from "./download.js";
import { showMessage } from "./element.js";
import { PictureCache } from "./picture_cache.js";
import { base64Of, toDataUri } from "./picture_file.js";
import { PictureInput } from "./picture_input.js";
import { postForEvents } from "./server.js";
import { makeZip } from "./zip.js";

export class ComposeView {
  #view = document.getElementById("compose");
  #form = document.getElementById("compose-form");
  #instruction = document.getElementById("instruction");
  #language = document.getElementById("language");
  #maxImages = document.getElementById("max-images");
  #stop = document.getElementById("compose-stop");
  #start = this.#form.querySelector("[type=submit]");
  #progress = document.getElementById("compose-progress");
  #node = document.getElementById("article");
  #exports = document.getElementById("exports");
  #exportError = document.getElementById("export-error");
  #error = this.#form.querySelector(".error");
  #pictures = new PictureInput(this.#view, (message) => showMessage(this.#error, message));
  #cache = new PictureCache();
  #article = null;
  #shown = null;    // its ArticleView
  #running = null;  // AbortController of the article that is coming
  #model;

  // `model` tells the name of the chosen model; "" for the server's default.
  constructor(model) {
    this.#model = model;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#compose();
    });
    this.#stop.addEventListener("click", () => this.#running?.abort());
    this.#start.disabled = false;
    this.#offer("export-markdown", () => this.#exportMarkdown());
    this.#offer("export-page", () => this.#exportPage());
    this.#offer("export-page-zip", () => this.#exportPageZip());
  }

  async #compose() {
    const instruction = this.#instruction.value.trim();
    if (this.#running) return;
    if (!instruction) {
      showMessage(this.#error, "Write a title, or what the article should be about.");
      this.#instruction.focus();
      return;
    }
    const running = this.#begin(instruction);
    try {
      for await (const event of postForEvents("v1/articles", this.#request(), running.signal)) {
        this.#article.take(event);
        this.#shown.update();
        this.#tell(event);
      }
      this.#end("The article is complete. Everything in it can be edited.");
    } catch (error) {
      if (!running.signal.aborted) showMessage(this.#error, error.message);
      this.#end(running.signal.aborted ? "Stopped. What is here can be edited." : "");
    }
  }

  // A ComposeRequest.
  #request() {
    const model = this.#model();
    const maxImages = this.#maxImages.valueAsNumber;
    return {
      ...(model && { model }),
      instruction: this.#instruction.value.trim(),
      images: this.#pictures.pictures.map(({ dataUri }) => ({ data: base64Of(dataUri) })),
      ...(this.#language.value && { language: this.#language.value }),
      ...(Number.isInteger(maxImages) && { max_images: maxImages }),
    };
  }

  #begin(instruction) {
    showMessage(this.#error, "");
    showMessage(this.#exportError, "");
    this.#shown?.discard();
    this.#cache.clear();
    this.#article = new Article(instruction, this.#language.value);
    this.#shown = new ArticleView(this.#node, this.#article, this.#cache, this.#model);
    this.#node.hidden = false;
    this.#exports.hidden = true;
    this.#progress.textContent = "Waiting for the model …";
    this.#setRunning(new AbortController());
    return this.#running;
  }

  #tell({ article, placement }) {
    if (article) this.#progress.textContent = "Writing …";
    if (placement) this.#progress.textContent = "Looking for pictures …";
  }

  #end(message) {
    this.#article.finish();
    this.#shown.finish();
    this.#node.hidden = this.#exports.hidden = this.#article.blocks.length === 0;
    this.#progress.textContent = message;
    this.#setRunning(null);
  }

  #setRunning(running) {
    const hadFocus = [this.#stop, this.#start].includes(document.activeElement);
    this.#running = running;
    this.#stop.hidden = running === null;
    this.#start.hidden = running !== null;
    if (hadFocus) (running ? this.#stop : this.#start).focus();
  }

  // A button of an export; what goes wrong is said beside it.
  #offer(id, run) {
    document.getElementById(id).addEventListener("click", async () => {
      showMessage(this.#exportError, "");
      try {
        await run();
      } catch (error) {
        showMessage(this.#exportError, `The article could not be exported: ${error.message}`);
      }
    });
  }

  async #exportMarkdown() {
    const { names, files } = await this.#pictureFiles();
    const markdown = { name: "article.md", bytes: utf8(articleMarkdown(this.#article, names)) };
    download(makeZip([markdown, ...files]), `${fileNameOf(this.#article)}.zip`);
  }

  async #exportPage() {
    const page = new Blob([await this.#page()], { type: "text/html" });
    download(page, `${fileNameOf(this.#article)}.html`);
  }

  async #exportPageZip() {
    const page = { name: "article.html", bytes: utf8(await this.#page()) };
    download(makeZip([page]), `${fileNameOf(this.#article)}-page.zip`);
  }

  async #page() {
    const blobs = await this.#pictureBlobs();
    const addresses = new Map();
    for (const [id, blob] of blobs) addresses.set(id, await toDataUri(blob));
    return articlePage(this.#article, addresses);
  }

  async #pictureFiles() {
    const blobs = await this.#pictureBlobs();
    const names = pictureNames(this.#article, (block) => blobs.get(block.id).type);
    const files = [];
    for (const [id, blob] of blobs)
      files.push({ name: names.get(id), bytes: new Uint8Array(await blob.arrayBuffer()) });
    return { names, files };
  }

  // By block id.
  async #pictureBlobs() {
    const blobs = new Map();
    for (const { id, sha256 } of this.#article.pictures())
      blobs.set(id, (await this.#cache.get(sha256)).blob);
    return blobs;
  }
}

function utf8(text) {
  return new TextEncoder().encode(text);
}
