// A request on its way: whether it is, why it was refused, and how long one has to wait before the next.
import { useEffect, useMemo, useRef, useState } from "./html.js";
import { Refusal } from "./requests.js";

/**
 * `{ busy, error, ask }`: `ask(work)` carries out `work` unless something is under way, and gives `true` where it was
 * done. Its refusal is `error` until the next.
 */
export function useAsking() {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const under = useRef(false); // the state comes a moment later than the second click

  async function ask(work) {
    if (under.current) return false;
    under.current = true;
    setBusy(true);
    setError(null);
    try {
      await work();
      return true;
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      if (refusal.code !== "passkey_aborted") setError(refusal);
      return false;
    } finally {
      under.current = false;
      setBusy(false);
    }
  }

  return { busy, error, ask };
}

/** Seconds that the gateway still wants to be left alone for, after `error`; it counts down to 0. */
export function useWait(error) {
  const until = useMemo(() => performance.now() + (error?.wait ?? 0) * 1000, [error]);
  const left = Math.max(0, Math.ceil((until - performance.now()) / 1000));
  const [, tick] = useState(0);
  const waiting = left > 0;
  useEffect(() => {
    if (!waiting) return undefined;
    const ticking = setInterval(() => tick((count) => count + 1), 250);
    return () => clearInterval(ticking);
  }, [waiting]);
  return left;
}
