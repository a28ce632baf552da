// Whoever has lost every way in: the button on the box, and who they are.
import { html } from "../html.js";
import { usePage } from "../context.js";
import { Field, filledIn, Send } from "../fields.js";
import { signInByButton } from "../requests.js";

/** Which refusals are about the field; the others are said where all ways say theirs. */
export const ABOUT_WHO = ["wrong_credentials"];

export function ByButton({ busy, error, stay, ask }) {
  const { words, setWho } = usePage();

  async function submit(event) {
    const { who } = filledIn(event);
    await ask(async () => setWho(await signInByButton({ who: who.trim(), stay })));
  }

  return html`<details class="way">
    <summary>${words.say("button.title")}</summary>
    <ol class="numbered">
      <li>${words.say("button.press")}</li>
      <li>${words.say("button.say")}</li>
    </ol>
    <p class="fine">${words.say("button.then")}</p>
    <form onSubmit=${submit}>
      <${Field}
        name="who"
        label=${words.say("button.who")}
        hint=${words.say("button.who.what")}
        required
        maxlength="254"
        autocomplete="off"
        autocapitalize="off"
        spellcheck=${false}
        error=${error}
        says=${error ? "nobody_alone" : undefined}
      />
      <${Send} busy=${busy}>${words.say("signin.button")}<//>
    </form>
  </details>`;
}
