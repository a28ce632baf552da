// Who looked at me, and what I did: sentences, the newest first, day by day.
import { html, useEffect, useState } from "./html.js";
import { useAsking } from "./asking.js";
import { Trouble, usePage } from "./context.js";
import { Press } from "./fields.js";
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
          ${together(those).map((alike) => html`<li key=${alike[0].sequence}><${Deed} alike=${alike} names=${names} /></li>`)}
        </ol>
      </section>`,
    )}
    ${older &&
    html`<${Press} busy=${busy} onClick=${() => look(Math.min(...deeds.map((each) => each.sequence)))}>${words.say("looked.older")}<//>`}
  </section>`;
}

/** One line for what somebody did several times in a row: `alike`, the newest first. */
function Deed({ alike, names }) {
  const { words } = usePage();
  const [deed] = alike;
  const what = words.sayIfKnown(`${deed.allowed ? "did" : "action"}.${deed.action}`, deed.action);
  const refused = deed.own ? "looked.refused.you" : "looked.refused";
  const sentence = words.say(deed.allowed ? "looked.did" : refused, { name: nameOf(deed, words), what });
  const more = [
    !deed.own && deed.role && words.sayIfKnown(`role.${deed.role}`, deed.role),
    deed.token && words.say("looked.program"),
    deed.way && words.sayIfKnown(`sessions.by.${deed.way}`, deed.way),
    deed.camera && words.say("looked.camera", { name: names(deed.camera) }),
    deed.device && words.say("looked.device", { name: names(deed.device) }),
    deed.purpose && words.say("looked.purpose", { purpose: words.sayIfKnown(`purpose.${deed.purpose}`, deed.purpose) }),
    alike.length > 1 && words.say("looked.times", { n: alike.length, since: words.hour(alike.at(-1).at) }),
    !deed.allowed && words.sayIfKnown(`refusal.${deed.code}`, ""),
  ].filter(Boolean);
  return html`<time datetime=${deed.at}>${words.hour(deed.at)}</time>
    <div>
      <p class=${deed.allowed ? "" : "refused"}>${sentence}</p>
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

/** What is said of a deed, apart from when. */
const SAID = ["own", "actor", "name", "role", "token", "action", "allowed", "code", "purpose", "way", "camera", "device", "genuine"];

/** Those that say the same, one after the other, in one list each: a page with twenty pictures is twenty looks. */
function together(deeds) {
  const lists = [];
  for (const deed of deeds) {
    const last = lists.at(-1);
    if (last && SAID.every((field) => last[0][field] === deed[field])) last.push(deed);
    else lists.push([deed]);
  }
  return lists;
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
