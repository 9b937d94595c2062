// Calls to the router that served this page. Addresses are relative, so that the page also works
// under a prefix of a proxy.
import { askForKey, authorization } from "./api_key.js";
import { EventStream } from "./event_stream.js";

// What the server answered instead, or that it did not answer, in words for the user.
export class ServerError extends Error {}

const UNREACHABLE = "The server cannot be reached.";
const BROKEN = "The connection broke before the answer was complete.";

// One call. Network failures become ServerErrors; stopping by `signal` throws its AbortError.
async function call(path, options, signal) {
  let answer;
  try {
    const headers = { ...options?.headers, ...authorization() };
    answer = await fetch(path, { ...options, headers, signal });
  } catch (error) {
    throw signal?.aborted ? error : new ServerError(UNREACHABLE);
  }
  if (!answer.ok) {
    const reason = await refusal(answer);
    if (answer.status === 401) askForKey(reason);
    throw new ServerError(reason);
  }
  return answer;
}

async function refusal(answer) {
  const text = await answer.text().catch(() => "");
  try {
    const { message } = JSON.parse(text).error;
    if (message) return message;
  } catch {
    // Not the server's JSON: a proxy's page, say.
  }
  return `The server answered ${answer.status} ${answer.statusText}`.trim() + ".";
}

// The names of the models served, the default first.
export async function listModels() {
  const answer = await call("v1/models");
  return (await answer.json()).data.map((model) => model.id);
}

// The file of a picture that the router has, by its SHA-256 in hexadecimal.
export async function fetchPicture(sha256) {
  return (await call(`v1/pictures/${encodeURIComponent(sha256)}`)).blob();
}

// Posts `body` as JSON and yields the JSON of each event of the answer, up to "[DONE]".
export async function* postForEvents(path, body, signal) {
  const options = {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify(body),
  };
  const answer = await call(path, options, signal);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  const events = new EventStream();
  try {
    for (;;) {
      const { done, value } = await read(reader, signal);
      if (done) throw new ServerError(BROKEN);
      for (const data of events.push(value)) {
        if (data === "[DONE]") return;
        yield parseEvent(data);
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function read(reader, signal) {
  try {
    return await reader.read();
  } catch (error) {
    throw signal?.aborted ? error : new ServerError(BROKEN);
  }
}

function parseEvent(data) {
  let event;
  try {
    event = JSON.parse(data);
  } catch {
    throw new ServerError("The server sent something that is not JSON.");
  }
  if (event.error) throw new ServerError(event.error.message || "The server failed.");
  return event;
}

// The answer of a chat as it comes: {text} pieces, then {finishReason} and {usage} where sent.
export async function* streamChat({ model, messages, ...options }, signal) {
  const body = {
    ...(model && { model }),
    messages,
    ...options,
    stream: true,
    stream_options: { include_usage: true },
  };
  for await (const event of postForEvents("v1/chat/completions", body, signal)) {
    const choice = event.choices?.[0];
    if (choice?.delta?.content) yield { text: choice.delta.content };
    if (choice?.finish_reason) yield { finishReason: choice.finish_reason };
    if (event.usage) yield { usage: event.usage };
  }
}
