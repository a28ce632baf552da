// What is known of the person, to be corrected by them.
import { html, useState } from "../html.js";
import { useAsking } from "../asking.js";
import { Trouble, usePage } from "../context.js";
import { Press } from "../fields.js";
import { useFocusBack } from "../focus.js";
import { changesOf } from "../people/person.js";
import { PersonForm } from "../people/person_form.js";
import { changePerson, people as askPeople, Refusal, who as askWho } from "../requests.js";
import { Deadline } from "./deadline.js";

export function Correct() {
  const { words, who, setWho, announce } = usePage();
  const [person, setPerson] = useState(null);
  const { busy, error, ask } = useAsking();
  const card = useFocusBack(person !== null);

  const begin = () => ask(async () => setPerson(await oneself(who)));

  async function save(body) {
    await changePerson(who.person, changesOf(person, body));
    setPerson(null);
    announce(words.say("people.changed", { name: body.name }));
    setWho(await askWho());
  }

  return html`<article class="card" ref=${card} aria-labelledby="correct-title">
    <h3 id="correct-title">${words.say("correct.title")}</h3>
    <p>${words.say("correct.what")}</p>
    <${Deadline} soon="deadline.at_once" />
    ${person
      ? html`${!person.added && html`<p class="fine">${words.say("correct.unseen")}</p>`}
          <${PersonForm} person=${person} own send=${save} away=${() => setPerson(null)} />`
      : html`<${Press} busy=${busy} onClick=${begin}>${words.say("correct.button")}<//>`}
    <${Trouble} error=${error} />
  </article>`;
}

/** What is kept of who asks; of who may not see the people of the home, what the sign-in says of them. */
async function oneself(who) {
  try {
    const found = (await askPeople()).find((each) => each.id === who.person);
    if (found) return found;
  } catch (why) {
    if (!(why instanceof Refusal) || ["no_contact", "not_signed_in"].includes(why.code)) throw why;
  }
  return { name: who.name, role: who.role, language: who.language };
}
