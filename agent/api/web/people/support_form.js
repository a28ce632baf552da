// Lets somebody from support in for some hours; what they may see is chosen here, and nothing else is seen.
import { html } from "../html.js";
import { useAsking } from "../asking.js";
import { Trouble, usePage } from "../context.js";
import { Choose, filledIn, Send } from "../fields.js";
import { openSupport } from "../requests.js";

const HOURS = [1, 4, 24];
const SEES = {
  faults: ["read_diagnostics", "read_metrics"],
  devices: ["read_diagnostics", "read_metrics", "read_devices"],
  mends: ["read_diagnostics", "read_metrics", "read_devices", "control_devices"],
};

export function SupportForm({ person, done, away }) {
  const { words } = usePage();
  const { busy, error, ask } = useAsking();

  async function submit(event) {
    const { hours, sees } = filledIn(event);
    if (await ask(() => openSupport({ person: person.id, hours: Number(hours), actions: SEES[sees] }))) await done();
  }

  return html`<form class="once" onSubmit=${submit} aria-label=${words.say("support.open.title", { name: person.name })}>
    <h4>${words.say("support.open.title", { name: person.name })}</h4>
    <p class="fine">${words.say("support.open.then")}</p>
    <${Choose} name="sees" label=${words.say("support.sees")} options=${Object.keys(SEES).map((each) => [each, words.say(`support.sees.${each}`)])} autofocus />
    <${Choose} name="hours" label=${words.say("support.hours")} options=${HOURS.map((each) => [String(each), words.say("span.hour", { count: each })])} />
    <div class="answers">
      <button type="button" onClick=${away}>${words.say("cancel")}</button>
      <${Send} busy=${busy}>${words.say("support.open")}<//>
    </div>
    <${Trouble} error=${error} />
  </form>`;
}
