// The operation log exactly as it leaves the house.
import { html } from "./html.js";
import { usePage } from "./context.js";

export function Log({ lines }) {
  const { words } = usePage();
  return html`<section aria-labelledby="log-title" class="log">
    <h2 id="log-title">${words.say("log.title")}</h2>
    <p class="fine">${words.say("log.what")}</p>
    ${lines.length === 0
      ? html`<p class="empty">${words.say("log.none")}</p>`
      : html`<div class="scroll" tabindex="0" role="region" aria-label=${words.say("log.lines")}>
          <ol reversed>
            ${lines.map(
              (each) => html`<li key=${each.sequence}>
                <span class=${`badge ${each.state}`}>${words.say(`log.${each.state}`)}</span>
                <code>${each.line}</code>
              </li>`,
            )}
          </ol>
        </div>`}
  </section>`;
}
