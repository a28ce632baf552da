// What is collected about the person: what rests on their consent, given and withdrawn by one button each; and what does not.
import { html, useEffect, useState } from "../html.js";
import { useAsking } from "../asking.js";
import { Time, Trouble, usePage } from "../context.js";
import { Press } from "../fields.js";
import { consents as askConsents, giveConsent, withdrawConsent } from "../requests.js";

const LOOKS = { given: "good", again: "warn" };

/** `changes`: another number whenever they may have changed by what the person did elsewhere. */
export function Consents({ changes }) {
  const { words } = usePage();
  const [consents, setConsents] = useState(null);
  const { error, ask } = useAsking();

  useEffect(() => {
    ask(async () => setConsents(await askConsents()));
  }, [changes]);

  const changed = (next) => setConsents((old) => old.map((each) => (each.kind === next.kind ? next : each)));
  return html`<section aria-labelledby="consents-title">
    <h2 id="consents-title">${words.say("consents.title")}</h2>
    <p class="fine">${words.say("consents.what")}</p>
    <${Trouble} error=${error} />
    ${consents === null && !error && html`<p class="empty">${words.say("loading")}</p>`}
    <ul class="cards wide ways">
      ${(consents ?? []).map((each) => html`<li key=${each.kind}><${Consent} consent=${each} changed=${changed} /></li>`)}
    </ul>
  </section>`;
}

function Consent({ consent, changed }) {
  const { words, who, announce } = usePage();
  const { busy, error, ask } = useAsking();
  const { kind, state, version, bases, records } = consent;
  const text = consent[words.language];
  const last = records.at(-1);
  const asked = bases.includes("consent");

  const give = () =>
    ask(async () => {
      changed(await giveConsent({ kind, version, language: words.language }));
      announce(words.say("consents.given.news", { what: text.title }));
    });

  const withdraw = () =>
    ask(async () => {
      changed(await withdrawConsent(kind));
      announce(words.say("consents.withdrawn.news", { what: text.title }));
    });

  return html`<article class="card" aria-label=${text.title}>
    <header>
      <h3>${text.title}</h3>
      <span class=${`badge ${LOOKS[state] ?? ""}`}>${words.say(`consents.${state}`)}</span>
    </header>
    <p>${text.what}</p>
    <dl class="facts told">
      <dt>${words.say("consents.why")}</dt>
      <dd>${text.why}</dd>
      <dt>${words.say("consents.how_long")}</dt>
      <dd>${text.how_long}</dd>
      <dt>${words.say(asked ? "consents.withdraw" : "consents.end")}</dt>
      <dd>${text.withdraw}</dd>
    </dl>
    ${asked
      ? html`<${Press} busy=${busy} class="wide" aria-label=${words.say(isGiven(state) ? "consents.no.which" : "consents.yes.which", { what: text.title })} onClick=${isGiven(state) ? withdraw : give}>
          ${words.say(isGiven(state) ? "consents.no" : "consents.yes")}
        <//>`
      : html`<p class="fine">${words.say("consents.other_ground", { ground: grounds(bases, words) })}</p>`}
    ${asked &&
    bases.length > 1 &&
    html`<p class="fine">${words.say("consents.also", { ground: grounds(bases.filter((each) => each !== "consent"), words) })}</p>`}
    ${last && html`<${Last} record=${last} linked=${!who.left} />`}
    <${Trouble} error=${error} />
  </article>`;
}

/** What was agreed to last, and what became of it. */
function Last({ record, linked }) {
  const { words } = usePage();
  return html`<p class="fine">
    ${words.say("consents.record", { version: record.version })} <${Time} at=${record.given} />.
    ${record.withdrawn && html` ${words.say("consents.record.withdrawn")} <${Time} at=${record.withdrawn} />.`}
    ${record.order &&
    html` ${linked ? html`<a href=${`#order-${record.order}`}>${words.say("erase.to_receipt")}</a>` : words.say("receipt.order", { order: record.order })}`}
  </p>`;
}

/** To an earlier text only: it still counts for nothing, so that it is asked for anew. */
const isGiven = (state) => state === "given";

const grounds = (bases, words) => words.listed(bases.map((each) => words.say(`basis.${each}`)));
