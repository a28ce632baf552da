// A link by which one person comes in, once. It is shown once.
import { html } from "../html.js";
import { Time, usePage } from "../context.js";
import { Copy } from "../copy.js";
import { useFocusNow } from "../focus.js";
import { Qr } from "../qr.js";

export function Invitation({ link, name, away }) {
  const { words } = usePage();
  const title = useFocusNow();
  return html`<div class="once">
    <h4 tabindex="-1" ref=${title}>${words.say("invite.title", { name })}</h4>
    <p>${words.say("invite.what", { name })}</p>
    <${Qr} svg=${link.qr} label=${words.say("invite.qr", { name })} />
    <p><code class="secret">${link.url}</code></p>
    <p class="fine">${words.say("invite.until")} <${Time} at=${link.until} />. ${words.say("invite.once")}</p>
    <div class="answers">
      <${Copy} text=${link.url} />
      <button type="button" class="primary" onClick=${away}>${words.say("invite.done")}</button>
    </div>
  </div>`;
}
