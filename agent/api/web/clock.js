// Where the gateway cannot know what time it is: why that matters, and the one button that mends it.
import { html, useState } from "./html.js";
import { Confirm } from "./confirm.js";
import { Reason, Trouble, usePage } from "./context.js";
import { confirmTime } from "./requests.js";

export function UnknownTime({ time }) {
  const { words, connected, announce } = usePage();
  const [asking, setAsking] = useState(null); // the time that the person is asked about
  const [error, setError] = useState(null);

  async function answer(yes) {
    const at = asking;
    setAsking(null);
    if (!yes) return;
    try {
      await confirmTime(at);
      setError(null);
      announce(words.say("clock.confirmed"));
      document.getElementById("main").focus(); // the button is gone
    } catch (refusal) {
      setError(refusal);
    }
  }

  const said = asking ?? time.now; // what the phone or computer believes, not the gateway
  return html`<section class="notice bad clock" aria-labelledby="clock-title" hidden=${time.known || time.hidden === 0}>
    <h2 id="clock-title">${words.say("clock.title")}</h2>
    <p>${words.say("clock.what", { n: time.hidden })}</p>
    <p class="why">${words.say("clock.why")} <${Reason}>${time.reason}<//></p>
    <button type="button" disabled=${!connected} onClick=${() => setAsking(new Date().toISOString())}>
      ${words.say("clock.button")}
    </button>
    <${Confirm} open=${asking !== null} title=${words.say("clock.ask")} yes=${words.say("clock.yes")} onAnswer=${answer}>
      <p class="asked"><time datetime=${said}>${words.moment(said)}</time></p>
      <p>${words.say("clock.then")}</p>
    <//>
    <${Trouble} error=${error} />
  </section>`;
}
