// Server-sent events (WHATWG HTML, section 9.2.6) from text that comes in pieces, cut anywhere.
// Only their data is looked at.
export class EventStream {
  #rest = "";
  #data = [];

  // The data of the events that `text` completes.
  push(text) {
    this.#rest += text;
    const events = [];
    for (let end; (end = this.#lineEnd()) >= 0;) {
      const line = this.#rest.slice(0, end);
      this.#rest = this.#rest.slice(end + (this.#rest.startsWith("\r\n", end) ? 2 : 1));
      if (line === "") {
        if (this.#data.length > 0) events.push(this.#data.join("\n"));
        this.#data = [];
      } else if (line === "data" || line.startsWith("data:")) {
        this.#data.push(line.slice(5).replace(/^ /, ""));
      }
    }
    return events;
  }

  // -1 where no line is complete: a "\r" at the very end may be half of a "\r\n".
  #lineEnd() {
    const end = this.#rest.search(/[\r\n]/);
    return end === this.#rest.length - 1 && this.#rest[end] === "\r" ? -1 : end;
  }
}
