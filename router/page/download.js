// Hands `blob` to the user as a file.
import { element } from "./element.js";

export function download(blob, name) {
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);  // the browser reads it after this returns
}
