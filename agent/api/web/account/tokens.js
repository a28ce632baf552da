// Programs that act for the person: made with a secret that is shown once, and ended by a button.
import { html, useEffect, useState } from "../html.js";
import { useAsking } from "../asking.js";
import { Time, Trouble, usePage } from "../context.js";
import { Copy } from "../copy.js";
import { Choose, Field, filledIn, Press, Send } from "../fields.js";
import { focusOn, useFocusBack, useFocusNow } from "../focus.js";
import { actionsSaid, choices, endOf, FOR_PROGRAMS, spans } from "../lending.js";
import { endToken, makeToken, tokens as askTokens } from "../requests.js";

export function Tokens() {
  const { words, who, announce } = usePage();
  const [tokens, setTokens] = useState([]);
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState(null); // with its secret, which is here alone
  const { error, ask } = useAsking();
  const part = useFocusBack(making || made !== null, ":scope > button");

  const look = async () => setTokens((await askTokens()).filter((each) => each.person === who.person));
  useEffect(() => {
    ask(look);
  }, []);

  const end = (token) =>
    ask(async () => {
      await endToken(token.id);
      announce(words.say("tokens.ended", { name: token.name }));
      focusOn("tokens-title"); // the button is gone
      await look();
    });

  async function done(answer) {
    setMaking(false);
    setMade(answer);
    await ask(look);
  }

  return html`<section aria-labelledby="tokens-title" ref=${part} class="tokens">
    <h2 id="tokens-title" tabindex="-1">${words.say("tokens.title")}</h2>
    <p class="fine">${words.say("tokens.what")}</p>
    ${tokens.length > 0 &&
    html`<ul class="card rows">
      ${tokens.map((each) => html`<li key=${each.id} class="row"><${Token} token=${each} end=${end} /></li>`)}
    </ul>`}
    <${Trouble} error=${error} />
    ${made && html`<${Secret} made=${made} away=${() => setMade(null)} />`}
    ${making && html`<${TokenForm} done=${done} away=${() => setMaking(false)} />`}
    ${!making && !made && html`<button type="button" onClick=${() => setMaking(true)}>${words.say("tokens.make")}</button>`}
  </section>`;
}

function Token({ token, end }) {
  const { words } = usePage();
  return html`<p>
      <b>${token.name}</b>
      <span class="fine">${actionsSaid(token.actions, words)} · ${words.say("lend.until")} <${Time} at=${token.end} /></span>
    </p>
    <button type="button" class="danger" aria-label=${words.say("tokens.end.which", { name: token.name })} onClick=${() => end(token)}>
      ${words.say("grants.end")}
    </button>`;
}

function TokenForm({ done, away }) {
  const { words } = usePage();
  const { busy, error, ask } = useAsking();
  const about = error?.code === "bad_name" ? error : null;

  async function submit(event) {
    const { name, what, span } = filledIn(event);
    const body = { name, actions: FOR_PROGRAMS[what], reach: { home: true }, end: endOf(span) };
    let answer = null;
    if (await ask(async () => (answer = await makeToken(body)))) await done(answer);
  }

  return html`<form class="card" onSubmit=${submit} aria-label=${words.say("tokens.make")}>
    <${Field} name="name" label=${words.say("tokens.name")} hint=${words.say("tokens.name.what")} required maxlength="40" autocomplete="off" autofocus error=${about} />
    <${Choose} name="what" label=${words.say("tokens.may")} options=${choices(FOR_PROGRAMS, words)} />
    <${Choose} name="span" label=${words.say("lend.span")} options=${spans(words)} chosen="month" />
    <div class="answers">
      <button type="button" onClick=${away}>${words.say("cancel")}</button>
      <${Send} busy=${busy}>${words.say("tokens.make")}<//>
    </div>
    <${Trouble} error=${about ? null : error} />
  </form>`;
}

function Secret({ made, away }) {
  const { words } = usePage();
  const title = useFocusNow();
  return html`<div class="once">
    <h3 tabindex="-1" ref=${title}>${words.say("tokens.secret", { name: made.token.name })}</h3>
    <p>${words.say("tokens.once")}</p>
    <p><code class="secret">${made.secret}</code></p>
    <div class="answers">
      <${Copy} text=${made.secret} />
      <button type="button" class="primary" onClick=${away}>${words.say("tokens.kept")}</button>
    </div>
  </div>`;
}
