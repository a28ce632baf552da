// How soon a right is carried out here, and how soon the law wants it (GDPR, article 12(3)).
import { html } from "../html.js";
import { usePage } from "../context.js";

/** `soon`: the sentence on how soon it is here. */
export function Deadline({ soon }) {
  const { words } = usePage();
  return html`<p class="fine">${words.say(soon)} ${words.say("deadline.law")}</p>`;
}
