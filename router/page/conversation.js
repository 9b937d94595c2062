// What was said so far, kept in this page alone.
export class Conversation {
  // [{role: "user" | "assistant", text, pictures: [{name, dataUri}]}]
  turns = [];

  // Adds a question and the answer that is to come; returns the answer.
  ask(text, pictures) {
    this.turns.push({ role: "user", text, pictures });
    return this.#expectAnswer();
  }

  // The last question once more; what was answered to it is forgotten.
  askAgain() {
    this.turns.pop();
    return this.#expectAnswer();
  }

  // As OpenAI's interface takes them, up to the last question. Pictures come before the text that
  // asks about them. A question that got no answer at all is left out with it.
  toMessages() {
    const said = this.turns.slice(0, -1);
    const heard = said.filter((turn, i) => i === said.length - 1 ||
                                           (turn.role === "user" ? said[i + 1].text : turn.text));
    return heard.map(({ role, text, pictures }) => ({ role, content: contentOf(text, pictures) }));
  }

  #expectAnswer() {
    const answer = { role: "assistant", text: "", pictures: [] };
    this.turns.push(answer);
    return answer;
  }
}

function contentOf(text, pictures) {
  if (pictures.length === 0) return text;
  const parts = pictures.map(({ dataUri }) => ({ type: "image_url", image_url: { url: dataUri } }));
  return text ? [...parts, { type: "text", text }] : parts;
}
