// Asks before something that cannot be undone.
import { html, useId, useLayoutEffect, useRef } from "./html.js";
import { usePage } from "./context.js";
import { Dialog } from "./dialog.js";

/** A modal question while `open`. `onAnswer(yes)` is called once; Escape means no. Focus starts on the harmless answer. */
export function Confirm({ open, title, yes, onAnswer, children }) {
  const { words } = usePage();
  const textId = useId();
  const waiting = useRef(false); // until the first answer: a double click is one yes

  useLayoutEffect(() => {
    waiting.current = open;
  }, [open]);

  function answer(said) {
    if (!waiting.current) return;
    waiting.current = false;
    onAnswer(said);
  }

  return html`<${Dialog} open=${open} title=${title} describedBy=${textId} onAway=${() => answer(false)}>
    <div id=${textId}>${children}</div>
    <div class="answers">
      <button type="button" autofocus onClick=${() => answer(false)}>${words.say("cancel")}</button>
      <button type="button" class="danger" onClick=${() => answer(true)}>${yes}</button>
    </div>
  <//>`;
}
