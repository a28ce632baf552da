// What is kept of the person is kept, and not used: a hold at their own request.
import { html, useState } from "../html.js";
import { useAsking } from "../asking.js";
import { Confirm } from "../confirm.js";
import { Time, Trouble, usePage } from "../context.js";
import { Press } from "../fields.js";
import { focusOn } from "../focus.js";
import { release, restrict } from "../requests.js";
import { Deadline } from "./deadline.js";

export function Restriction({ holds }) {
  const { words, who, announce } = usePage();
  const [made, setMade] = useState(null); // here, and perhaps not among those that are shown
  const [over, setOver] = useState([]);
  const [asking, setAsking] = useState(false);
  const { busy, error, ask } = useAsking();
  const shown = [...holds, made].filter((each) => each && isOwn(each, who.person) && !over.includes(each.id));
  const [hold] = shown;

  const answer = (yes) => {
    setAsking(false);
    if (!yes) return;
    ask(async () => {
      setMade(await restrict({}));
      announce(words.say("restrict.done"));
      focusOn("restrict-title"); // the button is another
    });
  };

  const end = () =>
    ask(async () => {
      await release(hold.id);
      setOver((old) => [...old, hold.id]);
      announce(words.say("restrict.ended"));
      focusOn("restrict-title");
    });

  return html`<article class="card" aria-labelledby="restrict-title">
    <header>
      <h3 id="restrict-title" tabindex="-1">${words.say("restrict.title")}</h3>
      ${hold && html`<span class="badge warn">${words.say("hold.badge")}</span>`}
    </header>
    <p>${words.say("restrict.what")}</p>
    <${Deadline} soon="deadline.at_once" />
    ${hold
      ? html`<p>${words.say("hold.made")} <${Time} at=${hold.made} />, ${words.say("hold.until")} <${Time} at=${hold.until} />.</p>
          <${Press} busy=${busy} onClick=${end}>${words.say("restrict.end")}<//>`
      : html`<${Press} busy=${busy} onClick=${() => setAsking(true)}>${words.say("restrict.button")}<//>`}
    <${Confirm} open=${asking} title=${words.say("restrict.ask")} yes=${words.say("restrict.button")} onAnswer=${answer}>
      <p>${words.say("restrict.then")}</p>
    <//>
    <${Trouble} error=${error} />
  </article>`;
}

const isOwn = (hold, person) =>
  hold.reason === "persons_request" && hold.by === person && hold.scope.subjects?.includes(person) && !hold.ended;
