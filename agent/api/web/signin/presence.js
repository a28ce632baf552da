// A fresh proof that the person is there, asked for when the gateway wants one before it goes on.
import { html, useEffect, useRef, useState } from "../html.js";
import { useAsking, useWait } from "../asking.js";
import { Trouble, usePage } from "../context.js";
import { Dialog } from "../dialog.js";
import { filledIn, PasswordField, Send } from "../fields.js";
import { useFocusNow } from "../focus.js";
import { passkeyQuestion, showPresence, ways as askWays, whenRefused } from "../requests.js";
import { canUsePasskeys, usePasskey } from "./passkey.js";
import { SecondField } from "./sign_in.js";
import { Wait } from "./wait.js";

const SECOND = ["second_factor", "wrong_code"];

/** Waits for `requests.js` to want a proof, asks for it, and lets the request go on. */
export function Presence() {
  const { words } = usePage();
  const [waiting, setWaiting] = useState([]); // those who want to know whether a proof was shown
  const latest = useRef(waiting);
  latest.current = waiting;

  function answer(shown) {
    latest.current.forEach((tell) => tell(shown));
    setWaiting([]);
  }

  useEffect(() => {
    whenRefused({ prove: () => new Promise((tell) => setWaiting((others) => [...others, tell])) });
    return () => {
      whenRefused({ prove: async () => false });
      latest.current.forEach((tell) => tell(false));
    };
  }, []);

  return html`<${Dialog} open=${waiting.length > 0} title=${words.say("presence.title")} onAway=${() => answer(false)}>
    <p>${words.say("presence.what")}</p>
    ${waiting.length > 0 && html`<${Proof} answer=${answer} />`}
  <//>`;
}

function Proof({ answer }) {
  const { words, setWho } = usePage();
  const [ways, setWays] = useState(null);
  const [second, setSecond] = useState(false);
  const { busy, error, ask } = useAsking();
  const wait = useWait(error);

  useEffect(() => {
    ask(async () => {
      const found = await askWays();
      setWays(found);
      setSecond(Boolean(found.second_factor));
    });
  }, []);
  const about = SECOND.includes(error?.code) ? error : null;
  useEffect(() => about && setSecond(true), [about]);

  async function prove(shown) {
    if (wait > 0) return;
    if (await ask(async () => setWho(await showPresence(await shown())))) answer(true);
  }

  async function byPasskey() {
    const { ceremony, options } = await passkeyQuestion();
    return { passkey: { ceremony, credential: await usePasskey(options) } };
  }

  const passkeys = ways && ways.passkeys.length > 0 && canUsePasskeys();
  return html`${passkeys &&
    html`<${PasskeyButton} busy=${busy} on=${() => prove(byPasskey)} />`}
    ${ways?.password &&
    html`<form
      class="way"
      onSubmit=${(event) => {
        const { password, second: digits } = filledIn(event);
        prove(async () => ({ password, second: digits ?? "" }));
      }}
    >
      <${PasswordField} name="password" label=${words.say("signin.password")} required autocomplete="current-password" autofocus=${!passkeys} />
      ${second && html`<${SecondField} error=${about} />`}
      <${Send} busy=${busy || wait > 0}>${words.say("presence.button")}<//>
    </form>`}
    ${ways && !passkeys && !ways.password && html`<p class="trouble">${words.say("presence.no_way")}</p>`}
    <${Trouble} error=${about ? null : error} />
    <${Wait} seconds=${wait} />
    <div class="answers"><button type="button" onClick=${() => answer(false)}>${words.say("cancel")}</button></div>`;
}

function PasskeyButton({ busy, on }) {
  const { words } = usePage();
  const button = useFocusNow();
  return html`<button type="button" class="primary wide" ref=${button} aria-disabled=${busy ? "true" : "false"} onClick=${on}>
    ${words.say("presence.passkey")}
  </button>`;
}
