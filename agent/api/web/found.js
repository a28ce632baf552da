// A device on the network that nobody has adopted: it stays outside until a person says yes.
import { html, useId, useState } from "./html.js";
import { Trouble, usePage } from "./context.js";
import { adopt } from "./requests.js";

export function FoundDevice({ found }) {
  const { words, connected, announce } = usePage();
  const [code, setCode] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const id = useId();

  async function submit(event) {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const device = await adopt(found, code.trim());
      announce(words.say("found.adopted", { name: device.name }));
      document.getElementById("devices-title").focus();
    } catch (refusal) {
      setError(refusal);
    }
    setBusy(false);
  }

  return html`<article class="card found" aria-label=${found.name}>
    <header>
      <h4>${found.name}</h4>
      <span class="badge">${words.say("found.new")}</span>
    </header>
    <p class="status">
      ${[words.sayIfKnown(`family.${found.family}`, found.family), found.model, found.address].filter(Boolean).join(" · ")}
    </p>
    ${found.pairable
      ? html`<form onSubmit=${submit}>
          ${found.code_format &&
          html`<label for=${id}>${words.say("found.code")}</label>
            <input
              id=${id}
              name="code"
              required
              maxlength="64"
              autocomplete="off"
              spellcheck=${false}
              inputmode=${/^[\d-]+$/.test(found.code_format) ? "numeric" : "text"}
              placeholder=${found.code_format}
              value=${code}
              disabled=${!connected || busy}
              onInput=${(event) => setCode(event.target.value)}
            />`}
          <button type="submit" class="primary" disabled=${!connected || busy}>
            ${busy ? words.say("found.adopting") : words.say("found.adopt")}
          </button>
        </form>`
      : html`<p class="note">${words.say("found.taken")}</p>`}
    <${Trouble} error=${error} />
  </article>`;
}
