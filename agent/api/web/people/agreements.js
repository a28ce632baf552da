// What waits until a second person agrees.
import { html } from "../html.js";
import { useAsking } from "../asking.js";
import { Time, Trouble, usePage } from "../context.js";
import { Press } from "../fields.js";
import { focusOn } from "../focus.js";
import { agree, disagree } from "../requests.js";

/** What is said of people waits for one of them; anything else that is about somebody waits for another. */
const OF_PEOPLE = ["manage_people", "remove_person"];
const LIVES = ["owner", "resident", "wearer"];

/** `nameOf(id)` says what somebody is called; `people`: everybody who may be seen. */
export function Agreements({ agreements, people, nameOf, changed }) {
  const { words } = usePage();
  if (agreements.length === 0) return null;
  return html`<section aria-labelledby="agreements-title" class="agreements">
    <h2 id="agreements-title" tabindex="-1">${words.say("agreements.title")}</h2>
    <ul class="cards wide">
      ${agreements.map(
        (each) => html`<li key=${each.id}>
          <${Agreement} agreement=${each} people=${people} nameOf=${nameOf} changed=${changed} />
        </li>`,
      )}
    </ul>
  </section>`;
}

function Agreement({ agreement, people, nameOf, changed }) {
  const { words, who, announce } = usePage();
  const { busy, error, ask } = useAsking();
  const mine = agreement.by === who.person;
  const what = words.sayIfKnown(`action.${agreement.action}`, agreement.action);
  const about = agreement.about.map((id) => (id === who.person ? words.say("you") : nameOf(id)));

  const yes = () =>
    ask(async () => {
      await agree(agreement.id);
      announce(words.say("agreements.done"));
      await changed();
      focusOn("agreements-title", "people-title");
    });

  const withdraw = () =>
    ask(async () => {
      await disagree(agreement.id);
      announce(words.say("agreements.gone"));
      await changed();
      focusOn("agreements-title", "people-title"); // the card is gone
    });

  return html`<article class="card" aria-label=${what}>
    <header>
      <h3>${words.say(mine ? "agreements.mine" : "agreements.theirs", { name: nameOf(agreement.by), what })}</h3>
      <span class=${`badge ${agreement.agreed ? "good" : "warn"}`}>${words.say(agreement.agreed ? "agreements.agreed" : "agreements.waits")}</span>
    </header>
    ${about.length > 0 && html`<p>${words.say("agreements.about", { names: words.listed(about) })}</p>`}
    <p class="fine">${words.say("agreements.until")} <${Time} at=${agreement.until} />.</p>
    ${mine && html`<p>${agreement.agreed ? words.say("agreements.again") : askWhom(agreement, people, words)}</p>`}
    <div class="deeds">
      ${!mine &&
      !agreement.agreed &&
      html`<${Press} class="primary" busy=${busy} onClick=${yes}>${words.say("agreements.agree")}<//>`}
      ${mine && html`<${Press} busy=${busy} onClick=${withdraw}>${words.say("agreements.withdraw")}<//>`}
    </div>
    <${Trouble} error=${error} />
  </article>`;
}

/** Whom one may ask, as far as can be seen from here; the gateway decides who may agree. */
function askWhom({ action, by, about }, people, words) {
  const adults = people.filter(
    (each) => each.id !== by && each.lives_here && !each.minor && !each.until && LIVES.includes(each.role),
  );
  const concerned = adults.filter((each) => about.includes(each.id));
  const others = adults.filter((each) => !about.includes(each.id));
  const names = (OF_PEOPLE.includes(action) && concerned.length > 0 ? concerned : others).map((each) => each.name);
  return names.length > 0 ? words.say("agreements.ask", { names: words.listed(names) }) : words.say("agreements.ask_nobody");
}
