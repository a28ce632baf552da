// What every part of the page needs: its words, whether the gateway is there, the time, and a voice.
import { createContext, html, useContext, useEffect, useState } from "./html.js";
import { gatewayNow } from "./live.js";

/**
 * `{ words, connected, announce, who, setWho }`; `announce(sentence)` is read out by screen readers. `who`: who is signed
 * in here, as the gateway said it last.
 */
export const Page = createContext(null);

export const usePage = () => useContext(Page);

const watchers = new Set();
setInterval(() => watchers.forEach((watch) => watch(gatewayNow())), 1000);

/** The gateway's time in ms, anew each second. */
export function useNow() {
  const [now, setNow] = useState(gatewayNow);
  useEffect(() => {
    watchers.add(setNow);
    return () => watchers.delete(setNow);
  }, []);
  return now;
}

/** A point in time, for people and for machines. */
export function Time({ at, seconds }) {
  const { words } = usePage();
  return html`<time datetime=${at}>${words.time(at, { seconds })}</time>`;
}

/** Why something went wrong, in the words of the gateway, which speaks English here. */
export function Reason({ children }) {
  return html`<span lang="en">${children}</span>`;
}

/** `, because …`, where a reason is known. */
export function Because({ reason }) {
  const { words } = usePage();
  return reason && html`, ${words.say("because")} <${Reason}>${reason}<//>`;
}

/** An error of `requests.js` as a line in its card; read out when it appears. */
export function Trouble({ error }) {
  const { words } = usePage();
  return html`<p class="trouble" role="alert" hidden=${!error}>
    ${error && words.sayIfKnown(`refusal.${error.code}`, html`<${Reason}>${error.message}<//>`)}
  </p>`;
}
