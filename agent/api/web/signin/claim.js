// Nobody's yet: the first owner takes the gateway with the code that came with it.
import { html } from "../html.js";
import { useAsking, useWait } from "../asking.js";
import { Trouble, usePage } from "../context.js";
import { Choose, Field, filledIn, Send, Tick } from "../fields.js";
import { claimHome } from "../requests.js";
import { LANGUAGES } from "../text.js";
import { Wait } from "./wait.js";

const CODES = ["wrong_code"];
const NAMES = ["bad_name"];

/**
 * `code`: out of the link that was scanned, or empty. `instead`, where somebody has claimed the gateway before: leads to
 * the way in. Such a gateway can be claimed anew where it has no owner any more.
 */
export function Claim({ code, choose, instead }) {
  const { words, setWho, announce } = usePage();
  const { busy, error, ask } = useAsking();
  const wait = useWait(error);
  const about = (codes) => (codes.includes(error?.code) ? error : null);

  async function submit(event) {
    const body = filledIn(event);
    if (wait > 0) return;
    await ask(async () => {
      const who = await claimHome({ ...body, code: body.code.trim() });
      choose(body.language);
      announce(words.say("claim.done"));
      setWho(who);
    });
  }

  return html`<section class="card door" aria-labelledby="claim-title">
    <h2 id="claim-title" tabindex="-1">${words.say("claim.title")}</h2>
    <p>${words.say(instead ? "claim.anew" : "claim.what")}</p>
    <form onSubmit=${submit}>
      <${Field}
        name="code"
        label=${words.say("claim.code")}
        hint=${words.say("claim.code.where")}
        required
        maxlength="256"
        autocomplete="off"
        autocapitalize="characters"
        spellcheck=${false}
        class="code"
        defaultValue=${code}
        error=${about(CODES)}
      />
      <${Field} name="name" label=${words.say("person.name")} required maxlength="80" autocomplete="name" error=${about(NAMES)} />
      <${Tick} name="lives_here" label=${words.say("claim.lives_here")} hint=${words.say("claim.lives_here.why")} defaultChecked />
      <${Choose} name="language" label=${words.say("person.language")} options=${Object.entries(LANGUAGES)} chosen=${words.language} />
      <${Send} busy=${busy || wait > 0}>${words.say("claim.button")}<//>
      <${Wait} seconds=${wait} />
    </form>
    <${Trouble} error=${[...CODES, ...NAMES].includes(error?.code) ? null : error} />
    ${instead && html`<button type="button" class="quiet" onClick=${instead}>${words.say("claim.instead")}</button>`}
  </section>`;
}
