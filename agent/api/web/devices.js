// A card for each device: what it reports, what it can do, and why it cannot be reached.
import { html, useState } from "./html.js";
import { Confirm } from "./confirm.js";
import { Control, isStepped, showsItself } from "./controls.js";
import { Because, Time, Trouble, usePage } from "./context.js";
import { FoundDevice } from "./found.js";
import { command, removeDevice } from "./requests.js";

export function Devices({ devices, found }) {
  const { words } = usePage();
  return html`<section aria-labelledby="devices-title" class="devices">
    <h2 id="devices-title" tabindex="-1">${words.say("devices.title")}</h2>
    ${devices.length === 0 && html`<p class="empty">${words.say("devices.none")}</p>`}
    <ul class="cards">
      ${devices.map((device) => html`<li key=${device.id}><${Device} device=${device} /></li>`)}
    </ul>
    ${found.length > 0 &&
    html`<h3 class="group">${words.say("found.title")}</h3>
      <ul class="cards">
        ${found.map((each) => html`<li key=${`${each.family}/${each.id}`}><${FoundDevice} found=${each} /></li>`)}
      </ul>`}
  </section>`;
}

function Device({ device }) {
  const { words, connected, announce } = usePage();
  const [error, setError] = useState(null);
  const [asked, setAsked] = useState({}); // capability -> value of the command that is under way

  async function set(capability, value) {
    setAsked((before) => ({ ...before, [capability.name]: value }));
    setError(null);
    try {
      const outcome = await command(device.id, capability.name, value);
      if (outcome.fate === "failed" || outcome.fate === "expired") {
        setError({ code: "", message: `${words.say(`fate.${outcome.fate}`)}: ${outcome.detail}` });
      } else if (outcome.fate === "done") {
        announce(`${device.name}: ${nameOf(capability, words)} ${words.value(value, capability)}`);
      }
    } catch (refusal) {
      setError(refusal);
    }
    setAsked((before) => {
      const { [capability.name]: latest, ...rest } = before;
      return latest === value ? rest : before;
    });
  }

  const disabled = !connected || !device.reachable;
  const readings = device.capabilities.filter((each) => !each.writable);
  const controls = device.capabilities.filter((each) => each.writable);
  return html`<article class=${`card device ${device.reachable ? "" : "away"}`} aria-label=${device.name}>
    <header>
      <h3>${device.name}</h3>
      ${!device.verified &&
      html`<span class="badge warn" title=${words.say("device.unverified.why")}>${words.say("device.unverified")}</span>`}
    </header>
    <p class="status ${device.reachable ? "good" : "bad"}">
      ${device.reachable ? words.say("device.reachable") : html`<${Away} device=${device} />`}
    </p>
    ${readings.length > 0 &&
    html`<dl class="readings">
      ${readings.map(
        (each) => html`<div key=${each.name}>
          <dt>${nameOf(each, words)}</dt>
          <dd><${Value} capability=${each} /></dd>
        </div>`,
      )}
    </dl>`}
    ${controls.map(
      (each) => html`<${Setting}
        key=${each.name}
        device=${device}
        capability=${each}
        asked=${asked[each.name]}
        disabled=${disabled}
        set=${(value) => set(each, value)}
      />`,
    )}
    <${Trouble} error=${error} />
    <${Forget} device=${device} setError=${setError} />
  </article>`;
}

function Away({ device }) {
  const { words } = usePage();
  if (!device.since) return html`${words.say("device.never")} <${Because} reason=${device.reason} />`;
  return html`${words.say("device.away")} <${Time} at=${device.since} /><${Because} reason=${device.reason} />`;
}

/** A value large, its unit small. */
function Value({ capability, value = capability.reported?.value }) {
  const { words } = usePage();
  if (typeof value !== "number" || !capability.unit) return words.value(value, capability);
  return html`${words.value(value)} <span class="unit">${capability.unit}</span>`;
}

/** One thing that can be set: the control, and what the device says where that is something else. */
function Setting({ device, capability, asked, disabled, set }) {
  const { words } = usePage();
  const [draft, setDraft] = useState(null); // what the hand is at, before it lets go
  const { desired, reported } = capability;
  const name = nameOf(capability, words);
  const differs = asked === undefined && desired && (!reported || !same(desired.value, reported.value));
  // A set point is a wish: its control starts from what was asked. All else shows what the device says.
  const value = isStepped(capability) ? (asked ?? desired?.value ?? reported?.value) : (asked ?? reported?.value ?? desired?.value);
  return html`<div class="setting">
    <div class="said">
      <span class="name">${name}</span>
      ${showsItself(capability) || html`<span class="now"><${Value} capability=${capability} value=${draft ?? undefined} /></span>`}
    </div>
    <${Control}
      name=${`${device.name}: ${name}`}
      capability=${capability}
      value=${value}
      draft=${draft}
      setDraft=${setDraft}
      disabled=${disabled}
      set=${set}
    />
    ${asked !== undefined && html`<p class="note">${words.say("setting.asking", { value: words.value(asked, capability) })}</p>`}
    ${differs &&
    html`<p class="note differs">
      ${words.say("setting.differs", {
        asked: words.value(desired.value, capability),
        time: words.time(desired.at),
        reported: words.value(reported?.value, capability),
      })}
    </p>`}
  </div>`;
}

function Forget({ device, setError }) {
  const { words, connected, announce } = usePage();
  const [asking, setAsking] = useState(false);
  async function answer(yes) {
    setAsking(false);
    if (!yes) return;
    try {
      await removeDevice(device.id);
      announce(words.say("forget.done", { name: device.name }));
      document.getElementById("devices-title").focus();
    } catch (refusal) {
      setError(refusal);
    }
  }
  return html`<details class="more">
    <summary><span class="unseen">${device.name}: </span>${words.say("device.more")}</summary>
    <p class="ids">${words.sayIfKnown(`family.${device.family}`, device.family)} · ${device.id}</p>
    <button type="button" class="quiet" disabled=${!connected} onClick=${() => setAsking(true)}>${words.say("forget.button")}</button>
    <${Confirm}
      open=${asking}
      title=${words.say("forget.title", { name: device.name })}
      yes=${words.say("forget.yes")}
      onAnswer=${answer}
    >
      <p>${words.say("forget.what")}</p>
    <//>
  </details>`;
}

/** What people call a capability; Matter's own name where we have no word for it. */
function nameOf(capability, words) {
  return words.sayIfKnown(`capability.${capability.name}`, capability.name.replace(".", " · "));
}

function same(one, other) {
  return typeof one === "number" && typeof other === "number" ? Math.abs(one - other) < 0.005 : one === other;
}
