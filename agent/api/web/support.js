// Who from support may look, until when: said on every view while it is so, with the button that ends it.
import { html, useEffect, useState } from "./html.js";
import { useAsking } from "./asking.js";
import { Time, Trouble, useNow, usePage } from "./context.js";
import { Press } from "./fields.js";
import { endSupport, people as askPeople, Refusal, supportCases } from "./requests.js";

/**
 * `{ open, names, look }`: the sessions that last as far as they are shown to who is signed in, what people are called,
 * and a function that looks anew. It is looked when another view is opened, and when the person comes back to the page;
 * not by the clock, which would keep a session of nobody alive.
 */
export function useSupport(who, view) {
  const [found, setFound] = useState({ open: [], names: new Map() });
  const asks = Boolean(who?.person && !who.left);

  async function look() {
    if (!asks) return;
    try {
      const open = (await supportCases()).filter((each) => each.lasts);
      setFound({ open, names: open.length > 0 ? await namesOfPeople() : new Map() });
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal; // it is looked again; what was known is shown until then
    }
  }

  useEffect(() => {
    if (!asks) return setFound({ open: [], names: new Map() });
    const anew = () => document.hidden || look();
    anew();
    addEventListener("focus", anew);
    document.addEventListener("visibilitychange", anew);
    return () => {
      removeEventListener("focus", anew);
      document.removeEventListener("visibilitychange", anew);
    };
  }, [who?.person, asks, view]);
  return { ...found, look };
}

async function namesOfPeople() {
  try {
    return new Map((await askPeople()).map((each) => [each.id, each.name]));
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal; // not everybody may see who belongs to the home
    return new Map();
  }
}

export function SupportBanner({ support }) {
  const now = useNow();
  const open = support.open.filter((each) => Date.parse(each.until) > now);
  return open.map((each) => html`<${Session} key=${each.id} session=${each} names=${support.names} look=${support.look} />`);
}

function Session({ session, names, look }) {
  const { words, who, announce } = usePage();
  const { busy, error, ask } = useAsking();
  const mine = session.person === who.person;
  const name = names.get(session.person) ?? words.say("support.somebody");
  const by = session.by === who.person ? words.say("you") : (names.get(session.by) ?? words.say("somebody"));

  const end = () =>
    ask(async () => {
      await endSupport(session.id);
      announce(words.say("support.ended"));
      document.getElementById("main").focus(); // the button is gone
      await look();
    });

  return html`<section class="notice support" aria-label=${words.say("support.title")}>
    <p>
      <b>${words.say(mine ? "support.me" : "support.who", { name })} <${Time} at=${session.until} />.</b>
      ${" "}${words.say("support.what", { what: words.listed(session.actions.map((each) => words.sayIfKnown(`action.${each}`, each))) })}
      ${" "}${words.say("support.by", { name: by })}
    </p>
    <${Press} busy=${busy} onClick=${end}>${words.say("support.end")}<//>
    <${Trouble} error=${error} />
  </section>`;
}
