// A modal box over the page.
import { html, useId, useLayoutEffect, useRef } from "./html.js";

/**
 * Shown while `open`; Escape calls `onAway`. The caller's state alone opens and closes it, so that the two never
 * disagree, however quick the keys are. Focus starts on what says `autofocus`.
 */
export function Dialog({ open, title, describedBy, onAway, children }) {
  const dialog = useRef(null);
  const titleId = useId();

  useLayoutEffect(() => {
    if (open && !dialog.current.open) dialog.current.showModal();
    if (!open && dialog.current.open) dialog.current.close();
  }, [open]);

  return html`<dialog
    ref=${dialog}
    aria-labelledby=${titleId}
    aria-describedby=${describedBy}
    onCancel=${(event) => {
      event.preventDefault();
      onAway();
    }}
    onClose=${() => dialog.current.open || onAway()}
  >
    <h2 id=${titleId}>${title}</h2>
    ${children}
  </dialog>`;
}
