// The page: what the gateway says, kept current, in the reader's language.
import { html, render, useEffect, useRef, useState } from "./html.js";
import { Cameras } from "./cameras.js";
import { UnknownTime } from "./clock.js";
import { Page, Time, usePage } from "./context.js";
import { Devices } from "./devices.js";
import { Header } from "./header.js";
import { Holds } from "./holds.js";
import { follow } from "./live.js";
import { Log } from "./log.js";
import { Receipts } from "./receipts.js";
import { Problems } from "./services.js";
import { loadWords, preferredLanguage, rememberLanguage } from "./text.js";

function App() {
  const [words, setWords] = useState(null);
  const [house, setHouse] = useState(null); // { state, connected, lostAt }
  const [said, announce] = useState("");
  const before = useRef(null);

  async function speak(language) {
    setWords(await loadWords(language));
    document.documentElement.lang = language;
  }

  useEffect(() => {
    speak(preferredLanguage());
    follow((state, connected) =>
      setHouse((old) => ({ state, connected, lostAt: connected ? null : (old?.lostAt ?? new Date().toISOString()) })),
    );
  }, []);

  useEffect(() => {
    if (!words || !house?.state) return;
    const news = whatIsNew(before.current, house, words);
    before.current = house;
    if (news) announce(news);
  }, [house, words]);

  if (!words) return null;
  const state = house?.state;
  return html`<${Page.Provider} value=${{ words, connected: house?.connected ?? false, announce }}>
    <a class="skip" href="#main">${words.say("skip")}</a>
    <${Header}
      state=${state}
      choose=${(language) => {
        rememberLanguage(language);
        speak(language);
      }}
    />
    <div class="notices" role="status">
      ${house && !house.connected && html`<${NoContact} since=${house.lostAt} ever=${Boolean(state)} />`}
    </div>
    <main id="main" tabindex="-1" class=${house?.connected ? "" : "stale"}>
      ${state
        ? html`<${UnknownTime} time=${state.time} />
            <${Problems} state=${state} />
            <${Devices} devices=${state.devices} found=${state.found} />
            <${Cameras} cameras=${state.cameras} snapshots=${state.snapshots} receipts=${state.receipts} />
            <div class="beside">
              <${Holds} holds=${state.holds} names=${namesOf(state)} />
              <${Receipts} receipts=${state.receipts} />
            </div>
            <${Log} lines=${state.log} />`
        : !house && html`<p class="empty">${words.say("loading")}</p>`}
    </main>
    <footer class="page">${words.say("footer")}</footer>
    <p class="unseen" role="status">${said}</p>
  <//>`;
}

function NoContact({ since, ever }) {
  const { words } = usePage();
  return html`<p class="notice bad">
    <b>${words.say("contact.lost")} <${Time} at=${since} />.</b> ${words.say(ever ? "contact.stale" : "contact.trying")}
  </p>`;
}

/** What people call a camera or device, by its id; the id itself of one that is here no more. */
function namesOf({ cameras, devices }) {
  return (id) => [...cameras, ...devices].find((each) => each.id === id)?.name ?? id;
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

render(html`<${App} />`, document.getElementById("app"));
