// What is kept past its limit: why, by whom, until when, and the button that lets it go.
import { html, useState } from "./html.js";
import { Confirm } from "./confirm.js";
import { Time, Trouble, usePage } from "./context.js";
import { release } from "./requests.js";

/** `names` says what people call a camera or device, by its id. */
export function Holds({ holds, names }) {
  const { words } = usePage();
  return html`<section aria-labelledby="holds-title" class="holds" hidden=${holds.length === 0}>
    <h2 id="holds-title" tabindex="-1">${words.say("holds.title")}</h2>
    <p class="fine">${words.say("holds.what")}</p>
    <ul class="orders">${holds.map((each) => html`<li key=${each.id}><${Hold} hold=${each} names=${names} /></li>`)}</ul>
  </section>`;
}

function Hold({ hold, names }) {
  const { words, connected, announce } = usePage();
  const [asking, setAsking] = useState(false);
  const [error, setError] = useState(null);
  const reason = words.say(`hold.${hold.reason}`);

  async function answer(yes) {
    setAsking(false);
    if (!yes) return;
    try {
      await release(hold.id);
      announce(words.say("hold.released"));
      document.getElementById("main").focus(); // the button is gone
    } catch (refusal) {
      setError(refusal);
    }
  }

  return html`<article class="card hold" aria-label=${reason}>
    <header>
      <h3>${reason}</h3>
      <span class="badge warn">${words.say("hold.badge")}</span>
    </header>
    <p>${named(hold.scope, names, words)}</p>
    <p class="fine">
      ${words.say("hold.made")} <${Time} at=${hold.made} /> (${words.sayIfKnown(`issuer.${hold.by}`, hold.by)}),
      ${" "}${words.say("hold.until")} <${Time} at=${hold.until} />.
    </p>
    <button type="button" class="danger" disabled=${!connected} onClick=${() => setAsking(true)}>${words.say("hold.release")}</button>
    <${Confirm} open=${asking} title=${words.say("hold.ask", { reason })} yes=${words.say("hold.release")} onAnswer=${answer}>
      <p>${words.say("hold.then")}</p>
    <//>
    <${Trouble} error=${error} />
  </article>`;
}

/** What a scope names, in words; times as the reader writes them. */
function named(scope, names, words) {
  const called = { classes: (id) => words.sayIfKnown(`class.${id}`, id), cameras: names, devices: names, subjects: (id) => id };
  const parts = Object.keys(called)
    .filter((key) => scope[key]?.length)
    .map((key) => `${words.say(`scope.${key}`)}: ${scope[key].map(called[key]).join(", ")}`);
  if (scope.everything) parts.unshift(words.say("scope.everything"));
  const times = ["start", "end"].filter((key) => scope[key]).map((key) => `${words.say(`scope.${key}`)} ${words.time(scope[key])}`);
  return [...parts, times.join(" ")].filter(Boolean).join(" · ");
}
