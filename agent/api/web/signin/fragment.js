// The single-use code in the address of a link (`#in=…`, `#claim=…`). It is taken out of the address bar and of the
// history before anything else runs, so that nobody finds it there later.

const LINK = /^#(in|claim)=(.*)$/;
const listeners = new Set();

/** `{ kind: "in" | "claim", code }`, and the address is as if it had never been there: at `place`. */
function taken(place) {
  const found = location.hash.match(LINK);
  if (!found) return null;
  history.replaceState(null, "", place);
  return { kind: found[1], code: found[2] };
}

/** What this page was opened with, or null. */
export const brought = taken(location.pathname);

// A link that is opened where the page is open already changes the fragment, and nothing else.
addEventListener("hashchange", (event) => {
  const link = taken(new URL(event.oldURL).hash.replace(LINK, "") || location.pathname);
  if (link) listeners.forEach((tell) => tell(link));
});

/** Call `tell(link)` for each link that is opened from now on. */
export function onBrought(tell) {
  listeners.add(tell);
  return () => listeners.delete(tell);
}
