// How long the gateway still wants to be left alone for, after too many guesses.
import { html } from "../html.js";
import { usePage } from "../context.js";

/** The seconds are for the eye; what is read out is that there is a wait, and that it is over. */
export function Wait({ seconds }) {
  const { words } = usePage();
  return html`<p class="wait" aria-hidden="true" hidden=${seconds === 0}>
    ${words.say("wait.left", { span: words.span(seconds) })}
  </p>`;
}
