// What people fill in: each field with its label, and beside it what was wrong with it.
import { html, useEffect, useId, useState } from "./html.js";
import { Reason, usePage } from "./context.js";
import { useFocusNow } from "./focus.js";

/**
 * One line of text. `error` is a refusal that is about this field: it is read out, and the field has the focus again;
 * `says` is the code to say it by, where the refusal's own says too little. With `autofocus` it has the focus as soon as
 * it is there. Everything else goes to the `input`.
 */
export function Field({ label, hint, error, says, autofocus = false, children, ...input }) {
  const field = useFocusNow(autofocus);
  const id = useId();
  useEffect(() => error && field.current.focus(), [error]);
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${hint && html`<p class="fine" id=${`${id}-hint`}>${hint}</p>`}
    <div class="input">
      <input
        ref=${field}
        id=${id}
        aria-invalid=${error ? "true" : "false"}
        aria-describedby=${`${hint ? `${id}-hint ` : ""}${id}-wrong`}
        ...${input}
      />
      ${children}
    </div>
    <p class="wrong" id=${`${id}-wrong`} role="alert">${error && html`<${Said} error=${error} code=${says} />`}</p>
  </div>`;
}

/** A password, which can be looked at; `autocomplete` says whether it is the old one or a new one. */
export function PasswordField(props) {
  const { words } = usePage();
  const [seen, setSeen] = useState(false);
  return html`<${Field} type=${seen ? "text" : "password"} autocapitalize="off" spellcheck=${false} maxlength="256" ...${props}>
    <button
      type="button"
      class="quiet look"
      aria-pressed=${seen ? "true" : "false"}
      aria-label=${words.say("field.look")}
      onClick=${() => setSeen(!seen)}
    >${words.say(seen ? "field.hide" : "field.show")}</button>
  <//>`;
}

/** Yes or no. */
export function Tick({ label, hint, ...input }) {
  const id = useId();
  return html`<div class="tick">
    <input type="checkbox" id=${id} aria-describedby=${hint ? `${id}-hint` : undefined} ...${input} />
    <label for=${id}>${label}</label>
    ${hint && html`<p class="fine" id=${`${id}-hint`}>${hint}</p>`}
  </div>`;
}

/** One of `options`: `[[value, words], …]`. */
export function Choose({ label, options, chosen, autofocus = false, ...select }) {
  const field = useFocusNow(autofocus);
  const id = useId();
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <select ref=${field} id=${id} ...${select}>
      ${options.map(([value, said]) => html`<option key=${value} value=${value} selected=${value === chosen}>${said}</option>`)}
    </select>
  </div>`;
}

/** A button that stays in reach of the keyboard while it is busy. Whoever asks sees to it that it does nothing then. */
export function Press({ busy, children, ...button }) {
  return html`<button type="button" aria-disabled=${busy ? "true" : "false"} ...${button}>${children}</button>`;
}

/** Sends the form. */
export function Send({ busy, children }) {
  return html`<${Press} type="submit" class="primary" busy=${busy}>${children}<//>`;
}

/** A refusal in the reader's language where we know it, with what the gateway says of the cure. */
function Said({ error, code = error.code }) {
  const { words } = usePage();
  const known = words.sayIfKnown(`refusal.${code}`, null);
  if (known === null) return html`<${Reason}>${error.message}<//>`;
  return error.code === "bad_password" && error.cure ? html`${known} <${Reason}>${error.cure}<//>` : known;
}

/** What stands in the fields of the form that sends `event`; ticks are true or false. */
export function filledIn(event) {
  event.preventDefault();
  const form = event.currentTarget;
  const values = Object.fromEntries(new FormData(form));
  for (const tick of form.querySelectorAll("input[type=checkbox][name]")) values[tick.name] = tick.checked;
  return values;
}
