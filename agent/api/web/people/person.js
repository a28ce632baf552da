// Somebody of the house, and what can be done for them.
import { html, useState } from "../html.js";
import { useAsking } from "../asking.js";
import { Confirm } from "../confirm.js";
import { Time, Trouble, usePage } from "../context.js";
import { Press } from "../fields.js";
import { focusOn, useFocusBack } from "../focus.js";
import { changePerson, makeLink, removePerson } from "../requests.js";
import { LANGUAGES } from "../text.js";
import { Invitation } from "./invitation.js";
import { LendForm } from "./lend_form.js";
import { PersonForm } from "./person_form.js";
import { SupportForm } from "./support_form.js";

/**
 * `changed()` after something was; `refused()` where it waits for a second person. `places`: those of the home besides
 * the whole of it; `helped()` once somebody from support is let in.
 */
export function Person({ person, places, changed, refused, helped }) {
  const { words, who, announce } = usePage();
  const [editing, setEditing] = useState(false);
  const [removing, setRemoving] = useState(false);
  const [link, setLink] = useState(null);
  const [lending, setLending] = useState(null); // "grant", or "support"
  const { busy, error, ask } = useAsking();
  const card = useFocusBack(editing || link !== null || lending !== null, ".deeds button");
  const me = person.id === who.person;
  const left = Boolean(person.until);
  const ending = left ? "people.forget" : "people.remove";

  /** As `work`; where a second person must agree, the list of what waits is looked at anew. */
  async function noted(work) {
    try {
      return await work();
    } catch (refusal) {
      if (refusal.code === "needs_second_person") refused();
      throw refusal;
    }
  }

  async function save(body) {
    await noted(() => changePerson(person.id, changesOf(person, body)));
    setEditing(false);
    announce(words.say("people.changed", { name: body.name }));
    await changed();
  }

  const comeBack = () =>
    ask(async () => {
      await noted(() => changePerson(person.id, { returns: true }));
      announce(words.say("people.returned", { name: person.name }));
      await changed();
    });

  async function remove(yes) {
    setRemoving(false);
    if (!yes) return;
    await ask(async () => {
      await noted(() => removePerson(person.id));
      announce(words.say("people.removed", { name: person.name }));
      await changed();
      focusOn("people-title"); // the card is gone
    });
  }

  async function lent(said) {
    setLending(null);
    announce(words.say(said, { name: person.name }));
    await changed();
    if (said === "support.opened") await helped();
  }

  const invite = () => ask(async () => setLink(await noted(() => makeLink(person.id))));

  return html`<article class="card person" ref=${card} aria-label=${person.name}>
    <header>
      <h3>${person.name}${me && html` <span class="fine">(${words.say("people.me")})</span>`}</h3>
      <span class=${`badge ${left ? "warn" : ""}`}>${left ? words.say("people.left") : words.sayIfKnown(`role.${person.role}`, person.role)}</span>
    </header>
    ${editing
      ? html`<${PersonForm} person=${person} send=${save} away=${() => setEditing(false)} />`
      : html`<${Facts} person=${person} />
          <div class="deeds">
            <${Deed} words="people.change" name=${person.name} on=${() => setEditing(true)} />
            ${!me && !left && html`<${Deed} words="people.invite" name=${person.name} busy=${busy} on=${invite} />`}
            ${!me && !left && html`<${Deed} words="lend" name=${person.name} on=${() => setLending("grant")} />`}
            ${person.role === "support" &&
            !me &&
            !left &&
            html`<${Deed} words="support.open" name=${person.name} on=${() => setLending("support")} />`}
            ${left && html`<${Deed} words="people.back" name=${person.name} busy=${busy} on=${comeBack} />`}
            <${Deed} words=${ending} name=${person.name} danger on=${() => setRemoving(true)} />
          </div>`}
    ${lending === "grant" &&
    html`<${LendForm} person=${person} places=${places} done=${() => lent("lend.done")} away=${() => setLending(null)} />`}
    ${lending === "support" &&
    html`<${SupportForm} person=${person} done=${() => lent("support.opened")} away=${() => setLending(null)} />`}
    ${link && html`<${Invitation} link=${link} name=${person.name} away=${() => setLink(null)} />`}
    <${Confirm} open=${removing} title=${words.say(`${ending}.ask`, { name: person.name })} yes=${words.say(ending)} onAnswer=${remove}>
      <p>${words.say(me && !left ? "people.remove.me" : `${ending}.then`)}</p>
    <//>
    <${Trouble} error=${error} />
  </article>`;
}

/** A button that says to whom it is done, for who does not see the card around it. */
function Deed({ words: key, name, busy, danger, on }) {
  const { words } = usePage();
  return html`<${Press} class=${danger ? "danger" : ""} busy=${busy} aria-label=${words.say(`${key}.whom`, { name })} onClick=${on}>
    ${words.say(key)}
  <//>`;
}

/** Only what is other than it was: the rest may not be this person's to change. */
export function changesOf(person, body) {
  const before = { ...person, email: person.email ?? "", phone: person.phone ?? "" };
  return Object.fromEntries(Object.entries(body).filter(([field, value]) => value !== before[field]));
}

function Facts({ person }) {
  const { words } = usePage();
  return html`<dl class="facts">
    <dt>${words.say("person.lives_here")}</dt>
    <dd>${words.say(person.lives_here ? "yes" : "no")}</dd>
    ${person.minor && html`<dt>${words.say("person.minor")}</dt><dd>${words.say("yes")}</dd>`}
    ${person.email && html`<dt>${words.say("person.email")}</dt><dd>${person.email}</dd>`}
    ${person.phone && html`<dt>${words.say("person.phone")}</dt><dd>${person.phone}</dd>`}
    <dt>${words.say("person.language")}</dt>
    <dd>${LANGUAGES[person.language]}</dd>
    ${person.until && html`<dt>${words.say("person.until")}</dt><dd><${Time} at=${person.until} /></dd>`}
  </dl>`;
}
