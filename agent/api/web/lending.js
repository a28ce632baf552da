// What is lent to people and programs: of what, where, and until when, out of the usual choices.
import { gatewayNow } from "./live.js";

const HOUR = 3_600_000;
const SPANS = { hour: HOUR, day: 24 * HOUR, week: 7 * 24 * HOUR, month: 30 * 24 * HOUR, year: 365 * 24 * HOUR };

/** For a field to choose from: how long something lasts from now on. */
export const spans = (words) => Object.keys(SPANS).map((each) => [each, words.say(`lend.span.${each}`)]);

/** When that is over, RFC 3339. */
export const endOf = (span) => new Date(gatewayNow() + SPANS[span]).toISOString();

/** What people are lent. */
export const LENT = {
  devices: ["read_devices", "control_devices"],
  look: ["read_devices"],
  pictures: ["view_pictures"],
  history: ["read_history"],
  presence: ["view_presence"],
  position: ["view_position"],
};

/** What programs may do for somebody. */
export const FOR_PROGRAMS = {
  look: ["read_devices"],
  devices: ["read_devices", "control_devices"],
  history: ["read_devices", "read_history"],
  metrics: ["read_health", "read_metrics"],
};

/** For a field to choose from: the names of `lent`. */
export const choices = (lent, words) => Object.keys(lent).map((each) => [each, words.say(`lend.${each}`)]);

/** A part of the home, as the gateway reads it, from what a field says: `home`, or `cameras/ID`, `devices/ID`. */
export function reachOf(place) {
  if (place === "home") return { home: true };
  const [kind, ...id] = place.split("/");
  return { [kind]: [id.join("/")] };
}

/** The same in words; `names(id)` says what people call a camera or device. */
export function reachSaid(reach, names, words) {
  if (reach.home) return words.say("lend.home");
  return words.listed([...(reach.rooms ?? []), ...(reach.cameras ?? []), ...(reach.devices ?? [])].map(names));
}

/** What may be done, in words. */
export const actionsSaid = (actions, words) => words.listed(actions.map((each) => words.sayIfKnown(`action.${each}`, each)));
