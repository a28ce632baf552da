// The way in: a passkey, a password with its second factor, a code, or the button on the box.
import { html, useEffect, useRef, useState } from "../html.js";
import { useAsking, useWait } from "../asking.js";
import { Trouble, usePage } from "../context.js";
import { Field, filledIn, PasswordField, Press, Send, Tick } from "../fields.js";
import { passkeyQuestion, Refusal, signInByCode, signInByPasskey, signInByPassword } from "../requests.js";
import { ABOUT_WHO, ByButton } from "./by_button.js";
import { canUsePasskeys, offersWhileTyping, usePasskey } from "./passkey.js";
import { Wait } from "./wait.js";

/** A passkey that is offered while somebody types is asked for anew before the gateway forgets its question. */
const ASK_ANEW = 4 * 60_000;

/** `again`: somebody was signed in here until now. `refusal`: why a code that was brought did not open. */
export function SignIn({ again, refusal }) {
  const { words, announce } = usePage();
  const [stay, setStay] = useState(false);
  const { busy, error, ask } = useAsking();
  const [way, setWay] = useState(null); // which of them was tried last
  const wait = useWait(error);
  const offered = useOffer(stay);
  const waited = useRef(false);

  useEffect(() => {
    if (wait > 0) waited.current = true;
    else if (waited.current) {
      waited.current = false;
      announce(words.say("wait.over"));
    }
  }, [wait > 0]);

  const doing = (which, codes) => ({
    busy: busy || wait > 0,
    stay,
    error: way === which && codes.includes(error?.code) ? error : null,
    ask(work) {
      if (wait > 0) return false;
      setWay(which);
      return ask(work);
    },
  });
  const byPassword = doing("password", ["second_factor", "wrong_code"]);
  const byCode = doing("code", ["wrong_code"]);
  const byButton = doing("button", ABOUT_WHO);
  const beside = byPassword.error || byCode.error || byButton.error; // said at its field
  return html`<section class="card door" aria-labelledby="sign-in-title">
    <h2 id="sign-in-title" tabindex="-1">${words.say("signin.title")}</h2>
    ${again && html`<p>${words.say("signin.again")}</p>`}
    <${Trouble} error=${refusal} />
    <${ByPasskey} ...${doing("passkey", [])} offered=${offered} />
    <${ByPassword} ...${byPassword} />
    <${Trouble} error=${beside || isOver(error, wait) ? null : error} />
    <${Wait} seconds=${wait} />
    <${Tick}
      label=${words.say("signin.stay")}
      hint=${words.say("signin.stay.what")}
      checked=${stay}
      onChange=${(event) => setStay(event.target.checked)}
    />
    <${ByCode} ...${byCode} />
    <${ByButton} ...${byButton} />
  </section>`;
}

/** Whether the gateway wanted a wait, which is over. */
const isOver = (error, wait) => error?.wait > 0 && wait === 0;

/** Offers the passkeys of this device in the field for the login, where the browser can. `stop()` ends that. */
function useOffer(stay) {
  const { setWho } = usePage();
  const staying = useRef(stay);
  staying.current = stay;
  const current = useRef(null); // what is offered now

  /** Give what the person chose; undefined where the question was ended, or grew old. */
  async function asked(offer, options) {
    const anew = setTimeout(() => offer.round.abort(), ASK_ANEW);
    offer.round = new AbortController();
    try {
      return await usePasskey(options, { mediation: "conditional", signal: offer.round.signal });
    } catch (refusal) {
      if (refusal.code !== "passkey_aborted") throw refusal;
      return undefined;
    } finally {
      clearTimeout(anew);
    }
  }

  async function run(offer) {
    try {
      if (!(await offersWhileTyping())) return;
      while (!offer.over) {
        const { ceremony, options } = await passkeyQuestion();
        if (offer.over) return;
        const credential = await asked(offer, options);
        if (!credential) continue;
        offer.over = true;
        setWho(await signInByPasskey({ ceremony, credential, stay: staying.current }));
      }
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal; // what was only offered is not missed: the button is there
    }
  }

  function start() {
    current.current = { over: false, round: null };
    run(current.current);
  }

  function stop() {
    current.current.over = true;
    current.current.round?.abort();
  }

  useEffect(() => {
    start();
    return stop;
  }, []);
  return { start, stop };
}

function ByPasskey({ busy, stay, ask, offered }) {
  const { words, setWho } = usePage();
  if (!canUsePasskeys()) return html`<${NotHere} />`;

  async function signIn() {
    offered.stop(); // a browser asks one question at a time
    const done = await ask(async () => {
      const { ceremony, options } = await passkeyQuestion();
      const credential = await usePasskey(options);
      setWho(await signInByPasskey({ ceremony, credential, stay }));
    });
    if (!done) offered.start();
  }

  return html`<div class="way">
    <${Press} class="primary wide" busy=${busy} onClick=${signIn}>${words.say("signin.passkey")}<//>
    <p class="fine">${words.say("signin.passkey.what")}</p>
  </div>`;
}

/** Passkeys are bound to a name: the same gateway has one on this machine. */
function NotHere() {
  const { words } = usePage();
  if (!/^127\.|^\[::1\]$/.test(location.hostname)) return null;
  const named = new URL(location.href);
  named.hostname = "localhost";
  return html`<p class="fine">${words.say("signin.passkey.elsewhere")} <a href=${named.href}>${named.host}</a></p>`;
}

function ByPassword({ busy, error, stay, ask }) {
  const { words, setWho } = usePage();
  const [second, setSecond] = useState(false);
  useEffect(() => error && setSecond(true), [error]);

  async function submit(event) {
    const body = filledIn(event);
    await ask(async () => setWho(await signInByPassword({ ...body, login: body.login.trim(), stay })));
  }

  return html`<form class="way" onSubmit=${submit}>
    <h3>${words.say("signin.password.title")}</h3>
    <${Field}
      name="login"
      label=${words.say("signin.login")}
      required
      maxlength="254"
      autocomplete="username webauthn"
      autocapitalize="off"
      spellcheck=${false}
    />
    <${PasswordField} name="password" label=${words.say("signin.password")} required autocomplete="current-password" />
    ${second && html`<${SecondField} error=${error} />`}
    <${Send} busy=${busy}>${words.say("signin.button")}<//>
  </form>`;
}

/** Six digits, or a recovery code instead. */
export function SecondField({ error }) {
  const { words } = usePage();
  return html`<${Field}
    name="second"
    label=${words.say("signin.second")}
    hint=${words.say("signin.second.what")}
    required
    maxlength="64"
    autocomplete="one-time-code"
    autocapitalize="characters"
    spellcheck=${false}
    class="code"
    error=${error}
    says=${error?.code === "wrong_code" ? "wrong_digits" : undefined}
  />`;
}

function ByCode({ busy, error, stay, ask }) {
  const { words, setWho } = usePage();

  async function submit(event) {
    const { code } = filledIn(event);
    await ask(async () => setWho(await signInByCode({ code: code.trim(), stay })));
  }

  return html`<details class="way">
    <summary>${words.say("signin.code.title")}</summary>
    <form onSubmit=${submit}>
      <${Field}
        name="code"
        label=${words.say("signin.code")}
        hint=${words.say("signin.code.where")}
        required
        maxlength="256"
        autocomplete="off"
        autocapitalize="characters"
        spellcheck=${false}
        class="code"
        error=${error}
      />
      <${Send} busy=${busy}>${words.say("signin.button")}<//>
    </form>
  </details>`;
}
