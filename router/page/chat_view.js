// The chat: a form that asks, the conversation above it, one answer at a time.
import { Conversation } from "./conversation.js";
import { announce, showMessage } from "./element.js";
import { AnswerView, questionView } from "./message_view.js";
import { PictureInput } from "./picture_input.js";
import { chatSampling } from "./sampling.js";
import { streamChat } from "./server.js";

export class ChatView {
  #view = document.getElementById("chat");
  #form = document.getElementById("chat-form");
  #question = document.getElementById("question");
  #messages = document.getElementById("messages");
  #stop = document.getElementById("chat-stop");
  #send = this.#form.querySelector("[type=submit]");
  #hint = [document.getElementById("chat-hint"), document.getElementById("chat-title")];
  #error = this.#form.querySelector(".error");
  #pictures = new PictureInput(this.#view, (message) => showMessage(this.#error, message));
  #conversation = new Conversation();
  #running = null;  // AbortController of the answer that is coming
  #latest = null;   // AnswerView of the latest answer
  #model;

  // `model` tells the name of the chosen model; "" for the server's default.
  constructor(model) {
    this.#model = model;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#ask();
    });
    this.#question.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#ask();
    });
    this.#stop.addEventListener("click", () => this.#running?.abort());
    document.getElementById("new-chat").addEventListener("click", () => this.#startAnew());
  }

  #ask() {
    const text = this.#question.value.trim();
    const pictures = this.#pictures.pictures;
    if (this.#running) return;
    if (!text && pictures.length === 0) {
      showMessage(this.#error, "Write a question, or add a picture.");
      this.#question.focus();
      return;
    }
    showMessage(this.#error, "");
    this.#question.value = "";
    this.#pictures.clear();
    for (const node of this.#hint) node.classList.add("unseen");
    this.#latest?.giveUp();
    this.#messages.append(questionView({ text, pictures }));
    this.#answer(this.#conversation.ask(text, pictures));
  }

  async #answer(answer) {
    const view = new AnswerView();
    const running = new AbortController();
    const started = performance.now();
    let usage = null;
    let finishReason = "";
    this.#latest = view;
    this.#messages.append(view.node);
    this.#setRunning(running);
    try {
      const model = this.#model();
      const messages = this.#conversation.toMessages();
      const request = { model, messages, ...chatSampling(model) };
      for await (const event of streamChat(request, running.signal)) {
        answer.text += event.text ?? "";
        usage = event.usage ?? usage;
        finishReason = event.finishReason ?? finishReason;
        if (event.text) this.#keepEndInView(() => view.show(answer.text));
      }
      view.finish(noteOn(usage, finishReason, performance.now() - started));
      announce("The answer is complete");
    } catch (error) {
      if (running.signal.aborted) view.finish("Stopped");
      else view.fail(error.message, () => this.#tryAgain());
    } finally {
      if (this.#running === running) this.#setRunning(null);
    }
  }

  #tryAgain() {
    this.#latest.node.remove();
    this.#question.focus();
    this.#answer(this.#conversation.askAgain());
  }

  #startAnew() {
    this.#running?.abort();
    this.#setRunning(null);
    this.#conversation = new Conversation();
    this.#messages.replaceChildren();
    for (const node of this.#hint) node.classList.remove("unseen");
    this.#question.focus();
  }

  #setRunning(running) {
    const hadFocus = [this.#stop, this.#send].includes(document.activeElement);
    this.#running = running;
    this.#stop.hidden = running === null;
    this.#send.hidden = running !== null;
    if (hadFocus) (running ? this.#stop : this.#question).focus();
    if (running) this.#messages.lastChild.scrollIntoView({ block: "end" });
  }

  // Follows the growing text, unless the user has scrolled away from it.
  #keepEndInView(change) {
    const page = document.documentElement;
    const atEnd = page.scrollHeight - page.scrollTop - page.clientHeight < 80;
    change();
    if (atEnd) requestAnimationFrame(() => page.scrollTo(0, page.scrollHeight));
  }
}

function noteOn(usage, finishReason, milliseconds) {
  const seconds = `${(milliseconds / 1000).toFixed(1)} s`;
  const tokens = usage && `${usage.prompt_tokens} tokens read, ${usage.completion_tokens} written`;
  const cut = finishReason === "length" && "cut off: as long as the server allows";
  return [tokens, seconds, cut].filter(Boolean).join(" · ");
}
