// Where one is signed in, and the button that ends it there.
import { html, useEffect, useState } from "../html.js";
import { useAsking } from "../asking.js";
import { Time, Trouble, usePage } from "../context.js";
import { focusOn } from "../focus.js";
import { endSession, sessions as askSessions } from "../requests.js";

/** `changes`: another number whenever the list may have changed by what the person did. */
export function Sessions({ changes, signOut }) {
  const { words, announce } = usePage();
  const [sessions, setSessions] = useState([]);
  const { error, ask } = useAsking();

  useEffect(() => {
    ask(async () => setSessions(await askSessions()));
  }, [changes]);

  const end = (session) =>
    ask(async () => {
      await endSession(session.id);
      announce(words.say("sessions.ended"));
      focusOn("sessions-title"); // the button is gone
      setSessions(await askSessions());
    });

  const inOrder = [...sessions].sort((one, other) => other.this - one.this || Date.parse(other.seen) - Date.parse(one.seen));
  return html`<section aria-labelledby="sessions-title">
    <h2 id="sessions-title" tabindex="-1">${words.say("sessions.title")}</h2>
    <article class="card">
      <ul class="rows">
        ${inOrder.map(
          (each) => html`<li key=${each.id} class="row">
            <p>
              <b>${words.say(`sessions.by.${each.way}`)}</b>
              ${each.this && html` <span class="badge good">${words.say("sessions.this")}</span>`}
              ${each.stay && html` <span class="badge">${words.say("sessions.stay")}</span>`}
              <span class="fine">
                ${words.say("sessions.made")} <${Time} at=${each.made} /> · ${words.say("sessions.seen")} <${Time} at=${each.seen} /> ·
                ${" "}${words.say("sessions.ends")} <${Time} at=${each.ends} />
              </span>
            </p>
            ${each.this
              ? html`<button type="button" onClick=${signOut}>${words.say("account.out")}</button>`
              : html`<button
                  type="button"
                  class="danger"
                  aria-label=${words.say("sessions.end.which", { time: words.time(each.made) })}
                  onClick=${() => end(each)}
                >${words.say("sessions.end")}</button>`}
          </li>`,
        )}
      </ul>
      <${Trouble} error=${error} />
    </article>
  </section>`;
}
