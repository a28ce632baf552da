// One control for each kind of capability. `set(value)` sends a command; the page shows what was asked until it is known.
import { html, useEffect, useId, useRef } from "./html.js";
import { usePage } from "./context.js";

/** After this pause the presses on a stepper are one command. */
const STEPPER_PAUSE = 600;

/** The control that suits `capability`: switch, choice, slider (a share of the whole) or stepper. */
export function Control(props) {
  const { kind, unit } = props.capability;
  if (kind === "bool") return html`<${Switch} ...${props} />`;
  if (kind === "enum") return html`<${Choice} ...${props} />`;
  if (unit === "%") return html`<${Slider} ...${props} />`;
  return html`<${Stepper} ...${props} />`;
}

export const isStepped = ({ kind, unit }) => (kind === "int" || kind === "float") && unit !== "%";

/** Whether the control shows the value in words, so that it need not stand beside it once more. */
export const showsItself = (capability) => capability.kind === "enum" || isStepped(capability);

function Switch({ name, value, disabled, set }) {
  return html`<button
    type="button"
    class="switch"
    role="switch"
    aria-checked=${value === true ? "true" : "false"}
    aria-label=${name}
    disabled=${disabled}
    onClick=${() => set(value !== true)}
  ><span></span></button>`;
}

function Choice({ name, capability, value, disabled, set }) {
  const { words } = usePage();
  return html`<select aria-label=${name} disabled=${disabled} value=${value} onChange=${(event) => set(event.target.value)}>
    ${!capability.choices.includes(value) && html`<option value=${value} selected>${words.value(value)}</option>`}
    ${capability.choices.map(
      (choice) => html`<option key=${choice} value=${choice} selected=${choice === value}>${words.value(choice)}</option>`,
    )}
  </select>`;
}

function Slider({ name, capability, value, draft, setDraft, disabled, set }) {
  const { words } = usePage();
  const shown = draft ?? value ?? capability.minimum ?? 0;
  const low = capability.minimum ?? 0;
  const high = capability.maximum ?? 100;
  const track = useRef(null);
  useEffect(() => track.current.style.setProperty("--filled", `${((shown - low) / (high - low)) * 100}%`));
  return html`<input
    ref=${track}
    class="slider"
    type="range"
    aria-label=${name}
    aria-valuetext=${words.value(shown, capability)}
    min=${low}
    max=${high}
    step="1"
    value=${shown}
    disabled=${disabled}
    onInput=${(event) => setDraft(event.target.valueAsNumber)}
    onChange=${(event) => {
      setDraft(null);
      set(event.target.valueAsNumber);
    }}
  />`;
}

function Stepper({ name, capability, value, draft, setDraft, disabled, set }) {
  const { words } = usePage();
  const pause = useRef(0);
  const target = useRef(null); // where the presses have come to; ahead of what is drawn when they are quick
  const id = useId();
  const step = capability.kind === "int" ? 1 : 0.5;
  const low = capability.minimum ?? -Infinity;
  const high = capability.maximum ?? Infinity;
  const shown = draft ?? value ?? capability.minimum ?? 0;
  useEffect(() => () => clearTimeout(pause.current), []);

  function move(by) {
    const next = Math.min(high, Math.max(low, Math.round(((target.current ?? shown) + by) / step) * step));
    target.current = next;
    setDraft(next);
    clearTimeout(pause.current);
    pause.current = setTimeout(() => {
      target.current = null;
      setDraft(null);
      set(next);
    }, STEPPER_PAUSE);
  }

  return html`<div class="stepper" role="group" aria-label=${name}>
    <button type="button" aria-label=${words.say("control.less", { name })} aria-describedby=${id} disabled=${disabled || shown <= low} onClick=${() => move(-step)}>−</button>
    <output id=${id}>${words.value(shown, capability)}</output>
    <button type="button" aria-label=${words.say("control.more", { name })} aria-describedby=${id} disabled=${disabled || shown >= high} onClick=${() => move(step)}>+</button>
  </div>`;
}
