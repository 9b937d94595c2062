// The API key that calls bear, where the server wants one: asked for when a call is answered 401,
// and forgotten with the tab.
import { showMessage } from "./element.js";

const NAME = "triptych-api-key";
let key = stored();

function stored() {
  try {
    return sessionStorage.getItem(NAME) ?? "";
  } catch {
    return "";  // the browser lets the page store nothing: the key lasts until it is loaded anew
  }
}

function store() {
  try {
    sessionStorage.setItem(NAME, key);
  } catch {
    // As above.
  }
}

export function authorization() {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

// Shows the field, and says what the server said.
export function askForKey(reason) {
  const form = document.getElementById("key-form");
  showMessage(form.querySelector(".error"), key ? reason : "");
  form.hidden = false;
}

// Makes the field work; `then` is called with each new key.
export function watchKeyField(then) {
  const form = document.getElementById("key-form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const field = form.querySelector("input");
    const entered = field.value.trim();
    if (!/^[!-~]+$/.test(entered)) {
      showMessage(form.querySelector(".error"), "A key has letters, digits and signs without spaces.");
      return;
    }
    key = entered;
    store();
    field.value = "";
    form.hidden = true;
    then();
  });
}
