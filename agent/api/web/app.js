// The page: who asks decides what it shows: the claim, the way in, or the house; in the reader's language.
import { brought, onBrought } from "./signin/fragment.js"; // first: it takes the code out of the address
import { html, render, useEffect, useRef, useState } from "./html.js";
import { Account } from "./account/account.js";
import { Confirm } from "./confirm.js";
import { Page } from "./context.js";
import { Header } from "./header.js";
import { House, NoContact, namesOf, placesOf, useHouse, useNews } from "./house.js";
import { Looked } from "./looked.js";
import { People } from "./people/people.js";
import { Erased, useErasing } from "./privacy/erase_me.js";
import { Privacy } from "./privacy/privacy.js";
import { Refusal, signInByCode, whenRefused, who as askWho } from "./requests.js";
import { useView, VIEWS } from "./route.js";
import { Claim } from "./signin/claim.js";
import { FirstWay } from "./signin/first_way.js";
import { Presence } from "./signin/presence.js";
import { SignIn } from "./signin/sign_in.js";
import { SupportBanner, useSupport } from "./support.js";
import { chosenLanguage, loadWords, preferredLanguage, rememberLanguage } from "./text.js";

const RETRY = 2000;
/** What is there for somebody who has left: what is about them. */
const OF_WHO_LEFT = ["privacy", "looked", "me"];

function App() {
  const [words, setWords] = useState(null);
  const [said, announce] = useState("");
  const door = useDoor();
  const { who } = door;
  const view = useView();
  const inside = who?.person && !who.left ? who.person : null;
  const house = useHouse(inside, { refused: door.ask, signedOut: door.signedOut });
  useNews(house, words, announce);
  const support = useSupport(inside ? who : null, view);
  const [erasing, setErasing] = useErasing(house?.state?.receipts);

  const wanted = useRef(null);

  async function speak(language) {
    wanted.current = language;
    const loaded = await loadWords(language);
    if (wanted.current !== language) return; // another was asked for meanwhile
    setWords(loaded);
    document.documentElement.lang = language;
  }

  function choose(language) {
    rememberLanguage(language);
    speak(language);
  }

  useEffect(() => {
    speak(preferredLanguage());
  }, []);
  useEffect(() => {
    if (who?.language && !chosenLanguage()) speak(who.language);
    if (!who?.person) announce(""); // what was said last was of the house
  }, [who?.person]);

  function left() {
    setErasing(null); // out by themselves: that says nothing of the order
    door.left();
  }

  const screen = erasing && who && !who.person ? "erased" : screenOf(who, view, door);
  useArrival(screen, words);
  if (!words) return null;
  const views = VIEWS.includes(screen) ? VIEWS.filter((each) => !who.left || OF_WHO_LEFT.includes(each)) : [];
  const page = { words, connected: house?.connected ?? false, announce, who, setWho: door.enter };
  return html`<${Page.Provider} value=${page}>
    <a
      class="skip"
      href="#main"
      onClick=${(event) => {
        event.preventDefault(); // the fragment says which view this is
        document.getElementById("main").focus();
      }}
    >${words.say("skip")}</a>
    <${Header} state=${house?.state} views=${views} view=${screen} choose=${choose} />
    <div class="notices" role="status">
      ${house && !house.connected && html`<${NoContact} since=${house.lostAt} ever=${Boolean(house.state)} />`}
      ${door.away && html`<p class="notice bad">${words.say("door.no_contact")}</p>`}
    </div>
    ${inside && html`<${SupportBanner} support=${support} />`}
    <main id="main" tabindex="-1" class=${`${screen}-view ${inside && !house?.connected ? "stale" : ""}`}>
      ${screen === "loading" && !door.away && html`<p class="empty">${words.say("loading")}</p>`}
      ${screen === "claim" && html`<${Claim} code=${door.claimCode} choose=${choose} instead=${who.claimed ? door.instead : null} />`}
      ${screen === "sign-in" && html`<${SignIn} again=${door.again} refusal=${door.refusal} />`}
      ${screen === "first-way" && html`<${FirstWay} later=${door.later} />`}
      ${screen === "house" && html`<${House} house=${house} />`}
      ${screen === "people" &&
      html`<${People} places=${placesOf(house?.state)} names=${namesOf(house?.state)} helped=${support.look} />`}
      ${screen === "privacy" &&
      html`<${Privacy} holds=${house?.state?.holds ?? []} erasing=${erasing} setErasing=${setErasing} />`}
      ${screen === "erased" && html`<${Erased} erasing=${erasing} done=${() => setErasing(null)} />`}
      ${screen === "looked" && html`<${Looked} names=${namesOf(house?.state)} />`}
      ${screen === "me" && html`<${Account} signedOut=${left} />`}
    </main>
    ${screen === "house" && html`<footer class="page">${words.say("footer")}</footer>`}
    ${who?.person && html`<${Presence} />`}
    <${Confirm}
      open=${door.other !== null}
      title=${words.say("door.other", { name: who?.name ?? "" })}
      yes=${words.say("door.other.yes")}
      onAnswer=${door.answerOther}
    >
      <p>${words.say("door.other.what")}</p>
    <//>
    <p class="unseen" role="status">${said}</p>
  <//>`;
}

/** Who is signed in here, and all that changes it. `who` is null until the gateway has said it. */
function useDoor() {
  const [who, setWho] = useState(null);
  const [away, setAway] = useState(false);
  const [again, setAgain] = useState(false); // somebody was signed in here until now
  const [refusal, setRefusal] = useState(null);
  const [waved, setWaved] = useState(false); // no way to sign in is wanted yet
  const [other, setOther] = useState(null); // a code that came while somebody was signed in
  const [link, setLink] = useState(brought);
  const now = useRef(null);
  now.current = who;

  function enter(next) {
    setRefusal(null);
    setWho(next);
  }

  function out(unasked) {
    if (!now.current?.person) return;
    setAgain(unasked);
    setWaved(false);
    setWho({ claimed: true, person: null, can_sign_in: true });
  }

  async function ask() {
    try {
      const next = await askWho();
      setAway(false);
      if (now.current?.person && !next.person) out(true);
      else setWho(next);
      return next;
    } catch (why) {
      if (!(why instanceof Refusal)) throw why;
      if (now.current === null) {
        setAway(true);
        setTimeout(ask, RETRY);
      }
      return null;
    }
  }

  async function take(code) {
    try {
      enter(await signInByCode({ code, stay: false }));
    } catch (why) {
      if (!(why instanceof Refusal)) throw why;
      setRefusal(why);
    }
  }

  useEffect(() => {
    whenRefused({ signedOut: () => out(true) });
    ask();
    return onBrought(setLink);
  }, []);
  useEffect(() => {
    if (!who?.claimed || link?.kind !== "in") return;
    setLink(null);
    if (who.person) setOther(link.code);
    else take(link.code);
  }, [who, link]);

  return {
    who,
    away,
    again,
    refusal,
    waved,
    other,
    claimCode: link?.kind === "claim" ? link.code : "",
    instead: () => setLink(null),
    ask,
    enter,
    signedOut: () => out(true),
    left: () => out(false),
    later: () => setWaved(true),
    answerOther(yes) {
      if (yes) take(other);
      setOther(null);
    },
  };
}

function screenOf(who, view, { waved, claimCode }) {
  if (who === null) return "loading";
  if (!who.claimed) return "claim";
  // A gateway without an owner, since the last was erased, is claimed like a new one; it says itself whether it is.
  if (!who.person) return claimCode ? "claim" : "sign-in";
  if ((!who.can_sign_in || hasLostAll(who)) && !waved) return "first-way";
  return who.left && !OF_WHO_LEFT.includes(view) ? "me" : view;
}

/** Came by the button just now: what else they can sign in with is out of their hands. */
const hasLostAll = ({ way, present_until: until }) => way === "button" && Date.parse(until) > Date.now();

/** Each screen after the first takes the focus to its title, so that it is read out, and names itself in the title. */
function useArrival(screen, words) {
  const last = useRef(null);
  useEffect(() => {
    if (!words || screen === "loading") return;
    document.title = screen === "house" ? "Portvakt" : `${words.say(`view.${screen}`)} · Portvakt`;
    const first = last.current === null;
    if (last.current === screen) return;
    last.current = screen;
    if (first) return;
    scrollTo(0, 0);
    (document.querySelector("main h2") ?? document.getElementById("main")).focus();
  }, [screen, words]);
}

render(html`<${App} />`, document.getElementById("app"));
