// Lends somebody a part of what one may do: what, where, what for, until when.
import { html } from "../html.js";
import { useAsking } from "../asking.js";
import { Trouble, usePage } from "../context.js";
import { Choose, filledIn, Send } from "../fields.js";
import { choices, endOf, LENT, reachOf, spans } from "../lending.js";
import { giveGrant } from "../requests.js";

const PURPOSES = ["daily_life", "visit", "care", "installation", "repair", "alarm"];
const USUAL = { guest: "visit", installer: "installation", responder: "alarm", wearer: "daily_life" };

/** `places`: `[[kind/id, name], …]` besides the whole home. `done()` once it is lent, `away()` closes the form. */
export function LendForm({ person, places, done, away }) {
  const { words } = usePage();
  const { busy, error, ask } = useAsking();

  async function submit(event) {
    const { what, where, purpose, span } = filledIn(event);
    const body = { person: person.id, actions: LENT[what], reach: reachOf(where), purpose, end: endOf(span) };
    if (await ask(() => giveGrant(body))) await done();
  }

  return html`<form class="once" onSubmit=${submit} aria-label=${words.say("lend.title", { name: person.name })}>
    <h4>${words.say("lend.title", { name: person.name })}</h4>
    <p class="fine">${words.say("lend.what_then")}</p>
    <${Choose} name="what" label=${words.say("lend.what")} options=${choices(LENT, words)} autofocus />
    <${Choose} name="where" label=${words.say("lend.where")} options=${[["home", words.say("lend.home")], ...places]} />
    <${Choose}
      name="purpose"
      label=${words.say("lend.purpose")}
      options=${PURPOSES.map((each) => [each, words.say(`purpose.${each}`)])}
      chosen=${USUAL[person.role] ?? "daily_life"}
    />
    <${Choose} name="span" label=${words.say("lend.span")} options=${spans(words)} chosen="day" />
    <div class="answers">
      <button type="button" onClick=${away}>${words.say("cancel")}</button>
      <${Send} busy=${busy}>${words.say("lend.button")}<//>
    </div>
    <${Trouble} error=${error} />
  </form>`;
}
