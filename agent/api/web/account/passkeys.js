// One's own passkeys: on a phone, a computer or a security key.
import { html, useState } from "../html.js";
import { useAsking } from "../asking.js";
import { Confirm } from "../confirm.js";
import { Time, Trouble, usePage } from "../context.js";
import { Field, filledIn, Send } from "../fields.js";
import { focusOn, useFocusBack } from "../focus.js";
import { addPasskey, newPasskeyQuestion, removePasskey } from "../requests.js";
import { canUsePasskeys, createPasskey } from "../signin/passkey.js";

export function Passkeys({ ways, changed }) {
  const { words, announce } = usePage();
  const [open, setOpen] = useState(false);
  const card = useFocusBack(open, ":scope > button");
  return html`<article class="card" ref=${card} aria-labelledby="passkeys-title">
    <header>
      <h3 id="passkeys-title" tabindex="-1">${words.say("passkeys.title")}</h3>
      <span class=${`badge ${ways.passkeys.length > 0 ? "good" : ""}`}>${ways.passkeys.length || words.say("way.none")}</span>
    </header>
    <p class="status">${words.say("passkeys.what")}</p>
    <ul class="rows">
      ${ways.passkeys.map((each) => html`<li key=${each.id}><${Passkey} passkey=${each} changed=${changed} /></li>`)}
    </ul>
    ${!canUsePasskeys()
      ? html`<p class="fine">${words.say("refusal.passkey_elsewhere")}</p>`
      : open
        ? html`<${PasskeyForm}
            away=${() => setOpen(false)}
            done=${(next) => {
              setOpen(false);
              announce(words.say("passkeys.added"));
              changed(next);
            }}
          />`
        : html`<button type="button" onClick=${() => setOpen(true)}>${words.say("passkeys.add")}</button>`}
  </article>`;
}

/** `away()` closes it, where it can be closed. */
export function PasskeyForm({ done, away }) {
  const { words } = usePage();
  const { busy, error, ask } = useAsking();

  async function submit(event) {
    const { name } = filledIn(event);
    let next;
    const made = await ask(async () => {
      const { ceremony, options } = await newPasskeyQuestion();
      next = await addPasskey({ ceremony, credential: await createPasskey(options), name: name.trim() });
    });
    if (made) await done(next);
  }

  return html`<form onSubmit=${submit}>
    <${Field}
      name="name"
      label=${words.say("passkeys.name")}
      hint=${words.say("passkeys.name.what")}
      maxlength="40"
      autocomplete="off"
      autofocus=${Boolean(away)}
    />
    <${Send} busy=${busy}>${words.say("passkeys.make")}<//>
    ${away && html`<button type="button" class="quiet" onClick=${away}>${words.say("cancel")}</button>`}
    <${Trouble} error=${error} />
  </form>`;
}

function Passkey({ passkey, changed }) {
  const { words, announce } = usePage();
  const [asking, setAsking] = useState(false);
  const { error, ask } = useAsking();
  const name = passkey.name || words.say("passkeys.unnamed");

  async function answer(yes) {
    setAsking(false);
    if (!yes) return;
    await ask(async () => {
      const next = await removePasskey(passkey.id);
      announce(words.say("passkeys.removed", { name }));
      focusOn("passkeys-title"); // the button is gone
      changed(next);
    });
  }

  return html`<div class="row">
    <p>
      <b>${name}</b>
      <span class="fine">
        ${words.say("passkeys.for", { host: passkey.for_name })} · ${words.say("made")} <${Time} at=${passkey.made} /> ·
        ${" "}${passkey.used ? html`${words.say("passkeys.used")} <${Time} at=${passkey.used} />` : words.say("passkeys.unused")}
      </span>
    </p>
    <button type="button" class="danger" aria-label=${words.say("passkeys.remove.which", { name })} onClick=${() => setAsking(true)}>
      ${words.say("remove")}
    </button>
    <${Confirm} open=${asking} title=${words.say("passkeys.ask", { name })} yes=${words.say("remove")} onAnswer=${answer}>
      <p>${words.say("passkeys.then")}</p>
    <//>
    <${Trouble} error=${error} />
  </div>`;
}
