// What people have lent each other, as far as one may see it, and the button that ends it.
import { html } from "../html.js";
import { useAsking } from "../asking.js";
import { Time, Trouble, usePage } from "../context.js";
import { Press } from "../fields.js";
import { focusOn } from "../focus.js";
import { actionsSaid, reachSaid } from "../lending.js";
import { endGrant } from "../requests.js";

/** `names(id)` says what a camera or device is called, `nameOf(id)` what a person is. */
export function Grants({ grants, names, nameOf, changed, refused }) {
  const { words } = usePage();
  if (grants.length === 0) return null;
  return html`<section aria-labelledby="grants-title">
    <h2 id="grants-title" tabindex="-1">${words.say("grants.title")}</h2>
    <ul class="card rows">
      ${grants.map(
        (each) => html`<li key=${each.id} class="row">
          <${Grant} grant=${each} names=${names} nameOf=${nameOf} changed=${changed} refused=${refused} />
        </li>`,
      )}
    </ul>
  </section>`;
}

function Grant({ grant, names, nameOf, changed, refused }) {
  const { words, who, announce } = usePage();
  const { busy, error, ask } = useAsking();
  const called = (id) => (id === who.person ? words.say("you") : nameOf(id));
  const said = words.say("grants.row", {
    by: called(grant.by),
    person: called(grant.person),
    what: actionsSaid(grant.actions, words),
  });

  const end = () =>
    ask(async () => {
      try {
        await endGrant(grant.id);
      } catch (refusal) {
        if (refusal.code === "needs_second_person") refused();
        throw refusal;
      }
      announce(words.say("grants.ended"));
      await changed();
      focusOn("grants-title", "people-title"); // the row is gone
    });

  return html`<p>
      ${said}
      <span class="fine">
        ${reachSaid(grant.reach, names, words)} · ${words.say("looked.purpose", { purpose: words.sayIfKnown(`purpose.${grant.purpose}`, grant.purpose) })}
        ${" "}· ${words.say("lend.until")} <${Time} at=${grant.end} />
      </span>
    </p>
    <${Press} class="danger" busy=${busy} aria-label=${words.say("grants.end.which", { what: said })} onClick=${end}>${words.say("grants.end")}<//>
    <${Trouble} error=${error} />`;
}
