// Asks before something that cannot be undone.
import { html, useId, useLayoutEffect, useRef } from "./html.js";
import { usePage } from "./context.js";

/**
 * A modal question while `open`. `onAnswer(yes)` is called once; Escape means no. Focus starts on the harmless answer.
 * The caller's state alone opens and closes it, so that the two never disagree, however quick the keys are.
 */
export function Confirm({ open, title, yes, onAnswer, children }) {
  const { words } = usePage();
  const dialog = useRef(null);
  const waiting = useRef(false); // until the first answer: a double click is one yes
  const titleId = useId();
  const textId = useId();

  useLayoutEffect(() => {
    waiting.current = open;
    if (open && !dialog.current.open) dialog.current.showModal();
    if (!open && dialog.current.open) dialog.current.close();
  }, [open]);

  function answer(said) {
    if (!waiting.current) return;
    waiting.current = false;
    onAnswer(said);
  }

  return html`<dialog
    ref=${dialog}
    aria-labelledby=${titleId}
    aria-describedby=${textId}
    onCancel=${(event) => {
      event.preventDefault();
      answer(false);
    }}
    onClose=${() => dialog.current.open || answer(false)}
  >
    <h2 id=${titleId}>${title}</h2>
    <div id=${textId}>${children}</div>
    <div class="answers">
      <button type="button" autofocus onClick=${() => answer(false)}>${words.say("cancel")}</button>
      <button type="button" class="danger" onClick=${() => answer(true)}>${yes}</button>
    </div>
  </dialog>`;
}
