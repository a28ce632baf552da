// Which view is shown: the address says it, so that back, forward and reload work.
import { useEffect, useState } from "./html.js";

export const VIEWS = ["house", "people", "privacy", "looked", "me"];

export const addressOf = (view) => (view === "house" ? "#/" : `#/${view}`);

/** The view of the address; null where the fragment names a place inside the one that is shown. */
function named() {
  if (location.hash === "" || location.hash.startsWith("#order-")) return "house";
  return VIEWS.find((view) => addressOf(view) === location.hash) ?? null;
}

export function useView() {
  const [view, setView] = useState(() => named() ?? "house");
  useEffect(() => {
    const moved = () => setView((old) => named() ?? old);
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return view;
}
