// What is known of somebody, to fill in or to correct.
import { html, useState } from "../html.js";
import { useAsking } from "../asking.js";
import { Trouble, usePage } from "../context.js";
import { Choose, Field, filledIn, Send, Tick } from "../fields.js";
import { LANGUAGES } from "../text.js";

export const ROLES = ["owner", "resident", "guest", "installer", "support", "responder", "wearer"];
/** Who can live there; the others come to visit, or to work. */
const DWELLS = ["owner", "resident", "wearer"];
const FIELDS = { bad_name: "name", bad_email: "email", bad_phone: "phone" };

/**
 * `send(body)` asks the gateway; `away()` closes the form. `own`: somebody corrects what is known of themselves, where
 * what they are to the home is not theirs to say.
 */
export function PersonForm({ person, own = false, send, away }) {
  const { words } = usePage();
  const { busy, error, ask } = useAsking();
  const [role, setRole] = useState(person?.role ?? "resident");
  const about = (field) => (FIELDS[error?.code] === field ? error : null);

  async function submit(event) {
    const body = own ? filledIn(event) : { lives_here: false, minor: false, ...filledIn(event) };
    await ask(() => send(body));
  }

  return html`<form onSubmit=${submit} class="person-form">
    <${Field}
      name="name"
      label=${words.say("person.name")}
      required
      maxlength="80"
      autocomplete="off"
      defaultValue=${person?.name}
      autofocus
      error=${about("name")}
    />
    ${!own &&
    html`<${Choose}
      name="role"
      label=${words.say("person.role")}
      options=${ROLES.map((each) => [each, words.say(`role.${each}`)])}
      chosen=${role}
      onChange=${(event) => setRole(event.target.value)}
    />`}
    ${!own &&
    DWELLS.includes(role) &&
    html`<${Tick} name="lives_here" label=${words.say("person.lives_here")} defaultChecked=${person?.lives_here ?? true} />`}
    ${!own &&
    role !== "owner" &&
    html`<${Tick} name="minor" label=${words.say("person.minor")} defaultChecked=${person?.minor ?? false} />`}
    <${Field}
      name="email"
      inputmode="email"
      label=${words.say("person.email")}
      maxlength="254"
      autocomplete="off"
      autocapitalize="off"
      spellcheck=${false}
      defaultValue=${person?.email ?? ""}
      error=${about("email")}
    />
    <${Field}
      name="phone"
      type="tel"
      label=${words.say("person.phone")}
      maxlength="40"
      autocomplete="off"
      defaultValue=${person?.phone ?? ""}
      error=${about("phone")}
    />
    <${Choose}
      name="language"
      label=${words.say("person.language")}
      options=${Object.entries(LANGUAGES)}
      chosen=${person?.language ?? words.language}
    />
    <div class="answers">
      <button type="button" onClick=${away}>${words.say("cancel")}</button>
      <${Send} busy=${busy}>${words.say(person ? "people.save" : "people.add")}<//>
    </div>
    <${Trouble} error=${error?.code in FIELDS ? null : error} />
  </form>`;
}
