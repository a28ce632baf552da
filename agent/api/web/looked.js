// Who looked at me, and what I did: sentences, the newest first, day by day.
import { html, useEffect, useState } from "./html.js";
import { useAsking } from "./asking.js";
import { Trouble, usePage } from "./context.js";
import { activity } from "./requests.js";

/** Whoever can use the gateway's own command line. */
const AT_THE_BOX = "local-owner";
/** Lines that are asked for at a time. */
const AT_ONCE = 100;

/** `names(id)` says what people call a camera or device. */
export function Looked({ names }) {
  const { words } = usePage();
  const [deeds, setDeeds] = useState(null);
  const [older, setOlder] = useState(false); // perhaps there are
  const { busy, error, ask } = useAsking();

  const look = (before) =>
    ask(async () => {
      const found = await activity(AT_ONCE, before);
      setOlder(found.length === AT_ONCE);
      setDeeds((shown) => [...(shown ?? []), ...found]);
    });
  useEffect(() => {
    look();
  }, []);

  return html`<section aria-labelledby="looked-title" class="looked">
    <h2 id="looked-title" tabindex="-1">${words.say("view.looked")}</h2>
    <p class="fine">${words.say("looked.what")}</p>
    <${Trouble} error=${error} />
    ${deeds === null && !error && html`<p class="empty">${words.say("loading")}</p>`}
    ${deeds?.length === 0 && html`<p class="empty">${words.say("looked.none")}</p>`}
    ${byDay(deeds ?? []).map(
      ([day, those]) => html`<section key=${day} aria-label=${words.date(those[0].at)}>
        <h3>${words.date(those[0].at)}</h3>
        <ol class="deeds-list card">
          ${those.map((each) => html`<li key=${each.sequence}><${Deed} deed=${each} names=${names} /></li>`)}
        </ol>
      </section>`,
    )}
    ${older &&
    html`<button
      type="button"
      aria-disabled=${busy ? "true" : "false"}
      onClick=${() => look(Math.min(...deeds.map((each) => each.sequence)))}
    >${words.say("looked.older")}</button>`}
  </section>`;
}

function Deed({ deed, names }) {
  const { words } = usePage();
  const what = words.sayIfKnown(`${deed.allowed ? "did" : "action"}.${deed.action}`, deed.action);
  const name = nameOf(deed, words);
  const more = [
    !deed.own && deed.role && words.sayIfKnown(`role.${deed.role}`, deed.role),
    deed.token && words.say("looked.program"),
    deed.way && words.sayIfKnown(`sessions.by.${deed.way}`, deed.way),
    deed.camera && words.say("looked.camera", { name: names(deed.camera) }),
    deed.device && words.say("looked.device", { name: names(deed.device) }),
    deed.purpose && words.say("looked.purpose", { purpose: words.sayIfKnown(`purpose.${deed.purpose}`, deed.purpose) }),
    !deed.allowed && words.sayIfKnown(`refusal.${deed.code}`, ""),
  ].filter(Boolean);
  return html`<time datetime=${deed.at}>${words.hour(deed.at)}</time>
    <div>
      <p class=${deed.allowed ? "" : "refused"}>${words.say(deed.allowed ? "looked.did" : "looked.refused", { name, what })}</p>
      ${more.length > 0 && html`<p class="fine">${more.join(" · ")}</p>`}
      ${!deed.genuine && html`<p class="trouble">${words.say("looked.damaged")}</p>`}
    </div>`;
}

function nameOf(deed, words) {
  if (deed.own) return words.say("looked.you");
  if (deed.name) return deed.name;
  if (deed.actor === AT_THE_BOX) return words.say("looked.box");
  return words.say(deed.role ? "looked.erased" : "looked.somebody");
}

/** `[[day, deeds], …]`, by the days of who reads, the newest first. */
function byDay(deeds) {
  const days = new Map();
  for (const deed of [...deeds].sort((one, other) => other.sequence - one.sequence)) {
    const day = new Date(deed.at).toDateString();
    days.set(day, [...(days.get(day) ?? []), deed]);
  }
  return [...days];
}
