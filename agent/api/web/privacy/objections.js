// To object to one kind of what is kept: the gateway answers at once, and in words.
import { html, useState } from "../html.js";
import { useAsking } from "../asking.js";
import { Time, Trouble, usePage } from "../context.js";
import { Choose, filledIn, Press } from "../fields.js";
import { useFocusNow } from "../focus.js";
import { object } from "../requests.js";
import { Deadline } from "./deadline.js";

/** What concerns people, the most usual first. */
const KINDS = [
  "snapshot", "presence", "sensor_history", "location", "wearer_position", "person", "activity", "op_log", "alarm",
  "alarm_contact", "visit", "support_case", "disclosure",
];

/** `changed()` after one was answered. */
export function Objections({ changed }) {
  const { words } = usePage();
  const [answer, setAnswer] = useState(null);
  const { busy, error, ask } = useAsking();

  async function submit(event) {
    const body = filledIn(event);
    if (await ask(async () => setAnswer(await object(body)))) changed();
  }

  return html`<article class="card" aria-labelledby="object-title">
    <h3 id="object-title">${words.say("object.title")}</h3>
    <p>${words.say("object.what")}</p>
    <${Deadline} soon="deadline.at_once" />
    <form onSubmit=${submit}>
      <${Choose} name="record_class" label=${words.say("object.kind")} options=${KINDS.map((each) => [each, words.say(`class.${each}`)])} />
      <${Press} type="submit" busy=${busy}>${words.say("object.button")}<//>
    </form>
    ${answer && html`<${Answer} key=${answer.asked} answer=${answer} />`}
    <${Trouble} error=${error} />
  </article>`;
}

function Answer({ answer }) {
  const { words } = usePage();
  const title = useFocusNow();
  return html`<div class="once">
    <h4 tabindex="-1" ref=${title}>${words.say(`object.${answer.outcome}`)}</h4>
    <p>${answer[words.language]}</p>
    <p class="fine">${words.say("object.answered")} <${Time} at=${answer.answered} />.</p>
  </div>`;
}
