// Who belongs to the home: added, corrected, invited, removed; what they lent each other; what waits for a second person.
import { html, useEffect, useState } from "../html.js";
import { useAsking } from "../asking.js";
import { Trouble, usePage } from "../context.js";
import { focusOn, useFocusBack } from "../focus.js";
import { addPerson, agreements as askAgreements, grants as askGrants, people as askPeople } from "../requests.js";
import { Agreements } from "./agreements.js";
import { Grants } from "./grants.js";
import { Person } from "./person.js";
import { PersonForm } from "./person_form.js";

/** `places` and `names(id)`: of the cameras and devices that are seen. `helped()` once somebody from support is let in. */
export function People({ places, names, helped }) {
  const { words, who, announce } = usePage();
  const [people, setPeople] = useState(null);
  const [agreements, setAgreements] = useState([]);
  const [grants, setGrants] = useState([]);
  const [adding, setAdding] = useState(false);
  const { error, ask } = useAsking();
  const adder = useFocusBack(adding, ":scope > button");

  const look = async () => {
    const [found, waiting, lent] = await Promise.all([askPeople(), askAgreements(), askGrants()]);
    setPeople(found);
    setAgreements(waiting);
    setGrants(lent);
  };
  useEffect(() => {
    const anew = () => document.hidden || ask(look);
    anew();
    // Somebody else may have agreed meanwhile. Not by the clock: that would keep an idle session alive.
    addEventListener("focus", anew);
    document.addEventListener("visibilitychange", anew);
    return () => {
      removeEventListener("focus", anew);
      document.removeEventListener("visibilitychange", anew);
    };
  }, []);

  const refused = async () => setAgreements(await askAgreements());

  async function add(body) {
    try {
      const person = await addPerson(body);
      setAdding(false);
      announce(words.say("people.added", { name: person.name }));
      await look();
      focusOn("people-title");
    } catch (refusal) {
      if (refusal.code === "needs_second_person") await refused();
      throw refusal;
    }
  }

  const nameOf = (id) => (id === who.person ? who.name : (people?.find((each) => each.id === id)?.name ?? words.say("somebody")));
  return html`<${Agreements} agreements=${agreements} people=${people ?? []} nameOf=${nameOf} changed=${look} />
    <section aria-labelledby="people-title" ref=${adder}>
      <h2 id="people-title" tabindex="-1">${words.say("view.people")}</h2>
      <${Trouble} error=${error} />
      ${people === null && !error && html`<p class="empty">${words.say("loading")}</p>`}
      <ul class="cards wide">
        ${(people ?? []).map(
          (each) => html`<li key=${each.id}>
            <${Person} person=${each} places=${places} changed=${look} refused=${refused} helped=${helped} />
          </li>`,
        )}
      </ul>
      ${people !== null &&
      (adding
        ? html`<article class="card" aria-label=${words.say("people.add")}>
            <h3>${words.say("people.add")}</h3>
            <${PersonForm} send=${add} away=${() => setAdding(false)} />
          </article>`
        : html`<button type="button" class="primary" onClick=${() => setAdding(true)}>${words.say("people.add")}</button>`)}
    </section>
    <${Grants} grants=${grants} names=${names} nameOf=${nameOf} changed=${look} refused=${refused} />`;
}
