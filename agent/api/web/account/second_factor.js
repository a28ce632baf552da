// Six digits from another device, asked for besides the password.
import { html, useState } from "../html.js";
import { useAsking } from "../asking.js";
import { Confirm } from "../confirm.js";
import { Time, Trouble, usePage } from "../context.js";
import { Field, filledIn, Press, Send } from "../fields.js";
import { useFocusBack } from "../focus.js";
import { Qr } from "../qr.js";
import { beginSecondFactor, confirmSecondFactor, removeSecondFactor } from "../requests.js";

export function SecondFactor({ ways, changed }) {
  const { words, announce } = usePage();
  const [pending, setPending] = useState(null);
  const [asking, setAsking] = useState(false);
  const { busy, error, ask } = useAsking();
  const on = Boolean(ways.second_factor);
  const card = useFocusBack(pending !== null);

  async function remove(yes) {
    setAsking(false);
    if (!yes) return;
    await ask(async () => {
      changed(await removeSecondFactor());
      announce(words.say("second.off"));
    });
  }

  return html`<article class="card" ref=${card} aria-labelledby="second-title">
    <header>
      <h3 id="second-title">${words.say("second.title")}</h3>
      <span class=${`badge ${on ? "good" : ""}`}>${words.say(on ? "way.on" : "way.off")}</span>
    </header>
    <p class="status">${words.say("second.what")}</p>
    ${on && html`<p class="status">${words.say("second.since")} <${Time} at=${ways.second_factor} /></p>`}
    ${pending
      ? html`<${Pending}
          pending=${pending}
          away=${() => setPending(null)}
          done=${(next) => {
            setPending(null);
            announce(words.say("second.done"));
            changed(next);
          }}
        />`
      : on
        ? html`<button type="button" class="danger" onClick=${() => setAsking(true)}>${words.say("second.remove")}</button>`
        : ways.password
          ? html`<${Press} busy=${busy} onClick=${() => ask(async () => setPending(await beginSecondFactor()))}>
              ${words.say("second.begin")}
            <//>`
          : html`<p class="fine">${words.say("second.password_first")}</p>`}
    <${Confirm} open=${asking} title=${words.say("second.ask")} yes=${words.say("second.remove")} onAnswer=${remove}>
      <p>${words.say("second.then")}</p>
    <//>
    <${Trouble} error=${error} />
  </article>`;
}

function Pending({ pending, away, done }) {
  const { words } = usePage();
  const { busy, error, ask } = useAsking();
  const wrong = error?.code === "wrong_code";

  async function submit(event) {
    const { code } = filledIn(event);
    let next;
    if (await ask(async () => (next = await confirmSecondFactor(code.replace(/\s/g, ""))))) done(next);
  }

  return html`<div class="once">
    <p>${words.say("second.scan")}</p>
    <${Qr} svg=${pending.qr} label=${words.say("second.qr")} />
    <p class="fine">${words.say("second.type")}</p>
    <p><code class="secret">${inFours(pending.secret)}</code></p>
    <p class="fine"><a href=${pending.uri}>${words.say("second.open")}</a></p>
    <form onSubmit=${submit}>
      <${Field}
        name="code"
        label=${words.say("second.code")}
        required
        maxlength="16"
        inputmode="numeric"
        autocomplete="one-time-code"
        class="code"
        autofocus
        error=${wrong ? error : null}
        says="wrong_digits"
      />
      <${Send} busy=${busy}>${words.say("second.confirm")}<//>
      <button type="button" class="quiet" onClick=${away}>${words.say("cancel")}</button>
      <${Trouble} error=${wrong ? null : error} />
    </form>
  </div>`;
}

const inFours = (text) => text.match(/.{1,4}/g).join(" ");
