// What is kept of the person who reads, and what they can have done with it: each a button, each with a deadline.
import { html, useState } from "../html.js";
import { usePage } from "../context.js";
import { Consents } from "./consents.js";
import { Copies } from "./copies.js";
import { Correct } from "./correct.js";
import { EraseMe } from "./erase_me.js";
import { Kept } from "./kept.js";
import { Objections } from "./objections.js";
import { Restriction } from "./restriction.js";

/** `holds`: those that last, as far as they are shown here; `erasing`: the order to erase this person, where there is one. */
export function Privacy({ holds, erasing, setErasing }) {
  const { words } = usePage();
  const [objected, setObjected] = useState(0);
  return html`<section aria-labelledby="privacy-title">
      <h2 id="privacy-title" tabindex="-1">${words.say("view.privacy")}</h2>
      <p class="fine">${words.say("privacy.what")}</p>
    </section>
    <${Consents} changes=${objected} />
    <section aria-labelledby="rights-title">
      <h2 id="rights-title">${words.say("rights.title")}</h2>
      <div class="cards wide ways">
        <${Copies} />
        <${Correct} />
        <${Restriction} holds=${holds} />
        <${Objections} changed=${() => setObjected((times) => times + 1)} />
        <${EraseMe} erasing=${erasing} setErasing=${setErasing} />
      </div>
    </section>
    <${Kept} />`;
}
