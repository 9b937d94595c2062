// Builds one DOM node. Strings become text nodes, so that text never is markup. `properties`:
// attributes by their HTML names (true: without a value; false, null and undefined: left out), and
// functions as event listeners by the event's name.
export function element(name, properties = {}, ...children) {
  const node = document.createElement(name);
  // First: a node that is dir="auto" already looks for its direction again with each child.
  node.append(...children.filter((child) => child != null));
  for (const [key, value] of Object.entries(properties)) {
    if (typeof value === "function") node.addEventListener(key, value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value != null) node.setAttribute(key, value);
  }
  return node;
}

// A button that does no more than call `press`.
export function button(label, press, properties = {}) {
  return element("button", { type: "button", click: press, ...properties }, label);
}

// Shows `message` in an element that is there for messages, or hides it: "".
export function showMessage(node, message) {
  node.textContent = message;
  node.hidden = !message;
}

// For screen readers alone, politely.
export function announce(message) {
  document.getElementById("status").textContent = message;
}
