// Starts the page: which view is shown, which model is asked. What composes is fetched when its
// view is first shown.
import { watchKeyField } from "./api_key.js";
import { ChatView } from "./chat_view.js";
import { element, showMessage } from "./element.js";
import { listModels } from "./server.js";

const VIEWS = ["chat", "compose"];
const models = document.getElementById("model");
const problem = document.getElementById("problem");
const chosenModel = () => models.value;
let composer = null;

function showView() {
  const wanted = location.hash.slice(1);
  const shown = VIEWS.includes(wanted) ? wanted : VIEWS[0];
  for (const name of VIEWS) {
    const link = document.getElementById(`${name}-link`);
    document.getElementById(name).hidden = name !== shown;
    if (name === shown) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (shown === "compose") startComposer();
}

async function startComposer() {
  composer ??= import("./compose_view.js").then(({ ComposeView }) => new ComposeView(chosenModel));
  try {
    await composer;
  } catch {
    composer = null;
    showMessage(problem, "The server cannot be reached. Load the page again.");
  }
}

// Until they are known, and where they cannot be, the server's default is asked.
async function showModels() {
  try {
    const names = await listModels();
    if (names.length === 0) throw new Error("The server has no model that is ready.");
    models.replaceChildren(...names.map((name) => element("option", { value: name }, name)));
    models.disabled = false;
    showMessage(problem, "");
  } catch (error) {
    showMessage(problem, error.message);
  }
}

// A file that is dropped beside a view must not replace the page.
for (const kind of ["dragover", "drop"])
  addEventListener(kind, (event) => event.preventDefault());

new ChatView(chosenModel);
addEventListener("hashchange", showView);
showView();
watchKeyField(showModels);
showModels();
