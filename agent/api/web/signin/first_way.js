// Who came by a code makes a way of their own to come again, before anything else.
import { html, useState } from "../html.js";
import { usePage } from "../context.js";
import { who as askWho } from "../requests.js";
import { PasskeyForm } from "../account/passkeys.js";
import { PasswordForm } from "../account/password.js";
import { canUsePasskeys } from "./passkey.js";

export function FirstWay({ later }) {
  const { words, who, setWho, announce } = usePage();
  const [byPassword, setByPassword] = useState(!canUsePasskeys());

  async function made() {
    announce(words.say("first.done"));
    setWho(await askWho());
  }

  return html`<section class="card door" aria-labelledby="first-title">
    <h2 id="first-title" tabindex="-1">${words.say("first.title", { name: who.name })}</h2>
    <p>${words.say("first.what")}</p>
    ${byPassword
      ? html`<${PasswordForm} login="" done=${made} />`
      : html`<${PasskeyForm} done=${made} />
          <button type="button" class="quiet" onClick=${() => setByPassword(true)}>${words.say("first.password")}</button>`}
    ${byPassword &&
    canUsePasskeys() &&
    html`<button type="button" class="quiet" onClick=${() => setByPassword(false)}>${words.say("first.passkey")}</button>`}
    <button type="button" class="quiet" onClick=${later}>${words.say("first.later")}</button>
  </section>`;
}
