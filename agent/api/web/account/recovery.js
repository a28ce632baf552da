// Codes on paper, for the day on which the phone is gone. They are shown once.
import { html, useState } from "../html.js";
import { useAsking } from "../asking.js";
import { Confirm } from "../confirm.js";
import { Trouble, usePage } from "../context.js";
import { Copy } from "../copy.js";
import { Press } from "../fields.js";
import { useFocusBack, useFocusNow } from "../focus.js";
import { newRecoveryCodes, ways as askWays } from "../requests.js";

export function RecoveryCodes({ ways, changed }) {
  const { words } = usePage();
  const [codes, setCodes] = useState(null);
  const [asking, setAsking] = useState(false);
  const { busy, error, ask } = useAsking();
  const left = ways.recovery_codes;
  const card = useFocusBack(codes !== null);

  const make = () =>
    ask(async () => {
      setCodes((await newRecoveryCodes()).codes);
      changed(await askWays());
    });

  return html`<article class="card" ref=${card} aria-labelledby="recovery-title">
    <header>
      <h3 id="recovery-title">${words.say("recovery.title")}</h3>
      <span class=${`badge ${left > 0 ? "good" : ""}`}>${left > 0 ? words.say("recovery.left", { n: left }) : words.say("way.none")}</span>
    </header>
    <p class="status">${words.say("recovery.what")}</p>
    ${codes
      ? html`<${Shown} codes=${codes} away=${() => setCodes(null)} />`
      : html`<${Press} busy=${busy} onClick=${() => (left > 0 ? setAsking(true) : make())}>
          ${words.say(left > 0 ? "recovery.anew" : "recovery.make")}
        <//>`}
    <${Confirm}
      open=${asking}
      title=${words.say("recovery.ask")}
      yes=${words.say("recovery.anew")}
      onAnswer=${(yes) => {
        setAsking(false);
        if (yes) make();
      }}
    >
      <p>${words.say("recovery.then")}</p>
    <//>
    <${Trouble} error=${error} />
  </article>`;
}

function Shown({ codes, away }) {
  const { words } = usePage();
  const title = useFocusNow();
  return html`<div class="once">
    <h4 tabindex="-1" ref=${title}>${words.say("recovery.once")}</h4>
    <ol class="codes">${codes.map((code) => html`<li key=${code}><code>${code}</code></li>`)}</ol>
    <div class="answers">
      <${Copy} text=${codes.join("\n")} />
      <button type="button" onClick=${() => print()}>${words.say("print")}</button>
      <button type="button" class="primary" onClick=${away}>${words.say("recovery.kept")}</button>
    </div>
  </div>`;
}
