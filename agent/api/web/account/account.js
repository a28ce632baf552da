// Oneself: who one is here, how one signs in, and where one is signed in.
import { html, useEffect, useState } from "../html.js";
import { useAsking } from "../asking.js";
import { Time, Trouble, usePage } from "../context.js";
import { signOut, ways as askWays } from "../requests.js";
import { Passkeys } from "./passkeys.js";
import { Password } from "./password.js";
import { RecoveryCodes } from "./recovery.js";
import { SecondFactor } from "./second_factor.js";
import { Sessions } from "./sessions.js";
import { Tokens } from "./tokens.js";

/** `signedOut()` is called once one is. */
export function Account({ signedOut }) {
  const { words, who } = usePage();
  const [ways, setWays] = useState(null);
  const [changes, setChanges] = useState(0);
  const { error, ask } = useAsking();
  const leaving = useAsking();

  useEffect(() => {
    ask(async () => setWays(await askWays()));
  }, []);

  function changed(next) {
    setWays(next);
    setChanges((old) => old + 1);
  }

  const leave = () =>
    leaving.ask(async () => {
      await signOut();
      signedOut();
    });

  return html`<section aria-labelledby="account-title">
      <h2 id="account-title" tabindex="-1">${who.name || words.say("view.me")}</h2>
      <article class="card">
        <dl class="facts">
          <dt>${words.say("person.role")}</dt>
          <dd>${words.sayIfKnown(`role.${who.role}`, who.role)}${who.left && html` (${words.say("account.left")})`}</dd>
          <dt>${words.say("person.lives_here")}</dt>
          <dd>${words.say(who.lives_here ? "yes" : "no")}</dd>
          <dt>${words.say("account.last")}</dt>
          <dd>${who.last ? html`<${Time} at=${who.last} />` : words.say("account.first")}</dd>
          ${who.ends && html`<dt>${words.say("account.ends")}</dt><dd><${Time} at=${who.ends} /></dd>`}
        </dl>
        <button type="button" onClick=${leave}>${words.say("account.out")}</button>
        <${Trouble} error=${leaving.error} />
      </article>
    </section>
    <section aria-labelledby="ways-title">
      <h2 id="ways-title">${words.say("ways.title")}</h2>
      <${Trouble} error=${error} />
      ${ways &&
      html`<div class="cards wide ways">
        <${Passkeys} ways=${ways} changed=${changed} />
        <${Password} ways=${ways} changed=${changed} />
        <${SecondFactor} ways=${ways} changed=${changed} />
        <${RecoveryCodes} ways=${ways} changed=${changed} />
      </div>`}
    </section>
    <${Sessions} changes=${changes} signOut=${leave} />
    ${!who.left && html`<${Tokens} />`}`;
}
