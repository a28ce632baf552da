// Puts a text on the clipboard.
import { html, useState } from "./html.js";
import { usePage } from "./context.js";

export function Copy({ text }) {
  const { words, announce } = usePage();
  const [done, setDone] = useState(false);

  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      return announce(words.say("copy.not")); // the browser lets nobody; the text stands there to be marked
    }
    setDone(true);
    return announce(words.say("copy.done"));
  }

  return html`<button type="button" onClick=${copy}>${words.say(done ? "copy.done" : "copy")}</button>`;
}
