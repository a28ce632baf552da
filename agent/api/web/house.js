// The house: its devices, its cameras, what is kept and what was erased, kept current.
import { html, useEffect, useRef, useState } from "./html.js";
import { Cameras } from "./cameras.js";
import { UnknownTime } from "./clock.js";
import { Time, usePage } from "./context.js";
import { Devices } from "./devices.js";
import { Holds } from "./holds.js";
import { follow } from "./live.js";
import { Log } from "./log.js";
import { Receipts } from "./receipts.js";
import { Problems } from "./services.js";

/**
 * `{ state, connected, lostAt }` as `person` sees it, and null before the first word of it, or where there is nobody.
 * `refused()` finds out who is signed in, where the gateway lets nobody listen; `signedOut()` is called where it says
 * that nobody is.
 */
export function useHouse(person, { refused, signedOut }) {
  const [house, setHouse] = useState(null);
  useEffect(() => {
    if (!person) return undefined;
    const stop = follow(
      (state, connected) =>
        setHouse((old) => ({ state, connected, lostAt: connected ? null : (old?.lostAt ?? new Date().toISOString()) })),
      { refused, signedOut },
    );
    return () => {
      stop();
      setHouse(null); // whoever looks at the page next may be somebody else
    };
  }, [person]);
  return house;
}

/** Say to screen readers what changed by itself. */
export function useNews(house, words, announce) {
  const before = useRef(null);
  useEffect(() => {
    if (!words || !house?.state) return;
    const news = whatIsNew(before.current, house, words);
    before.current = house;
    if (news) announce(news);
  }, [house, words]);
}

export function House({ house }) {
  const { words } = usePage();
  const state = house?.state;
  if (!state) return !house && html`<p class="empty">${words.say("loading")}</p>`;
  return html`<${UnknownTime} time=${state.time} />
    <${Problems} state=${state} />
    <${Devices} devices=${state.devices} found=${state.found} />
    <${Cameras} cameras=${state.cameras} snapshots=${state.snapshots} receipts=${state.receipts} />
    <div class="beside">
      <${Holds} holds=${state.holds} names=${namesOf(state)} />
      <${Receipts} receipts=${state.receipts} />
    </div>
    <${Log} lines=${state.log} />`;
}

export function NoContact({ since, ever }) {
  const { words } = usePage();
  return html`<p class="notice bad">
    <b>${words.say("contact.lost")} <${Time} at=${since} />.</b> ${words.say(ever ? "contact.stale" : "contact.trying")}
  </p>`;
}

/** Cameras and devices for a field to choose from: `[[kind/id, name], …]`. */
export function placesOf(state) {
  const listed = (kind) => (state?.[kind] ?? []).map((each) => [`${kind}/${each.id}`, each.name]);
  return [...listed("cameras"), ...listed("devices")];
}

/** What people call a camera or device, by its id; the id itself of one that is here no more. */
export function namesOf(state) {
  const known = state ? [...state.cameras, ...state.devices] : [];
  return (id) => known.find((each) => each.id === id)?.name ?? id;
}

/** One sentence for screen readers on what changed by itself; readings are not news. */
function whatIsNew(before, house, words) {
  if (!before?.state) return "";
  if (before.connected !== house.connected) return words.say(house.connected ? "contact.back" : "contact.lost.news");
  const news = [];
  for (const device of house.state.devices) {
    const old = before.state.devices.find((each) => each.id === device.id);
    if (old && old.reachable !== device.reachable) {
      news.push(words.say(device.reachable ? "news.reachable" : "news.away", { name: device.name }));
    }
  }
  for (const receipt of house.state.receipts) {
    if (!before.state.receipts.some((each) => each.order === receipt.order && each.kind === receipt.kind)) {
      news.push(words.say(`news.${receipt.kind}`));
    }
  }
  return news.join(" ");
}
