// One's own password, and the name to sign in with.
import { html, useState } from "../html.js";
import { useAsking } from "../asking.js";
import { Time, Trouble, usePage } from "../context.js";
import { Field, filledIn, PasswordField, Send } from "../fields.js";
import { useFocusBack } from "../focus.js";
import { setPassword } from "../requests.js";

const LOGINS = ["bad_login", "login_taken", "no_login"];
const PASSWORDS = ["bad_password"];

export function Password({ ways, changed }) {
  const { words, announce } = usePage();
  const [open, setOpen] = useState(false);
  const card = useFocusBack(open);
  return html`<article class="card" ref=${card} aria-labelledby="password-title">
    <header>
      <h3 id="password-title">${words.say("password.title")}</h3>
      <span class=${`badge ${ways.password ? "good" : ""}`}>${words.say(ways.password ? "way.set" : "way.none")}</span>
    </header>
    ${ways.password && html`<p class="status">${words.say("password.since")} <${Time} at=${ways.password} /></p>`}
    ${open
      ? html`<${PasswordForm}
          login=${ways.login}
          away=${() => setOpen(false)}
          done=${(next) => {
            setOpen(false);
            announce(words.say("password.done"));
            changed(next);
          }}
        />`
      : html`<button type="button" onClick=${() => setOpen(true)}>${words.say(ways.password ? "password.change" : "password.set")}</button>`}
  </article>`;
}

/** `away()` closes it, where it can be closed. */
export function PasswordForm({ login, done, away }) {
  const { words } = usePage();
  const { busy, error, ask } = useAsking();
  const about = (codes) => (codes.includes(error?.code) ? error : null);

  async function submit(event) {
    const body = filledIn(event);
    let next;
    if (await ask(async () => (next = await setPassword({ login: body.login.trim(), new: body.new })))) await done(next);
  }

  return html`<form onSubmit=${submit}>
    <${Field}
      name="login"
      label=${words.say("password.login")}
      hint=${words.say("password.login.what")}
      maxlength="64"
      autocomplete="username"
      autocapitalize="off"
      spellcheck=${false}
      autofocus=${Boolean(away)}
      defaultValue=${login}
      error=${about(LOGINS)}
    />
    <${PasswordField}
      name="new"
      label=${words.say("password.new")}
      hint=${words.say("password.new.what")}
      required
      autocomplete="new-password"
      error=${about(PASSWORDS)}
    />
    <${Send} busy=${busy}>${words.say("password.save")}<//>
    ${away && html`<button type="button" class="quiet" onClick=${away}>${words.say("cancel")}</button>`}
    <${Trouble} error=${[...LOGINS, ...PASSWORDS].includes(error?.code) ? null : error} />
  </form>`;
}
