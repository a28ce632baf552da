// Who came by a code or by the button makes a way of their own to come again, before anything else.
import { html, useState } from "../html.js";
import { usePage } from "../context.js";
import { who as askWho } from "../requests.js";
import { PasskeyForm } from "../account/passkeys.js";
import { PasswordForm } from "../account/password.js";
import { canUsePasskeys } from "./passkey.js";

/** `later()`: they want none now, or have made one. */
export function FirstWay({ later }) {
  const { words, who, setWho, announce } = usePage();
  const [byPassword, setByPassword] = useState(!canUsePasskeys());

  async function made() {
    announce(words.say("first.done"));
    setWho(await askWho());
    later();
  }

  return html`<section class="card door" aria-labelledby="first-title">
    <h2 id="first-title" tabindex="-1">${words.say("first.title", { name: who.name })}</h2>
    <p>${words.say(who.way === "button" ? "first.what.button" : "first.what")}</p>
    ${byPassword
      ? html`<${PasswordForm} login="" done=${made} />`
      : html`<${PasskeyForm} done=${made} />
          <button type="button" class="quiet" onClick=${() => setByPassword(true)}>${words.say("first.password")}</button>`}
    ${byPassword &&
    canUsePasskeys() &&
    html`<button type="button" class="quiet" onClick=${() => setByPassword(false)}>${words.say("first.passkey")}</button>`}
    <button type="button" class="quiet" onClick=${later}>${words.say(who.can_sign_in ? "first.not_now" : "first.later")}</button>
  </section>`;
}
