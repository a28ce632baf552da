// The pictures of each camera, each with the time at which it will be gone, and the button that makes that now.
import { html, useEffect, useRef, useState } from "./html.js";
import { Confirm } from "./confirm.js";
import { Because, Time, Trouble, useNow, usePage } from "./context.js";
import { erasePictures, imageOf, thumbnailOf } from "./requests.js";

export function Cameras({ cameras, snapshots, receipts }) {
  const { words } = usePage();
  return html`<section aria-labelledby="cameras-title" class="cameras">
    <h2 id="cameras-title">${words.say("cameras.title")}</h2>
    ${cameras.length === 0 && html`<p class="empty">${words.say("cameras.none")}</p>`}
    ${cameras.map(
      (camera) => html`<${Camera}
        key=${camera.id}
        camera=${camera}
        snapshots=${snapshots.filter((each) => each.camera === camera.id)}
        receipts=${receipts}
      />`,
    )}
  </section>`;
}

function Camera({ camera, snapshots, receipts }) {
  const { words } = usePage();
  const [chosen, setChosen] = useState(null);
  const now = useNow();
  // The page forgets on time as well, even when the gateway cannot tell it to.
  const alive = snapshots.filter((each) => Date.parse(each.goes) > now);
  const shown = alive.find((each) => each.id === chosen) ?? alive[0];
  return html`<article class="card camera" aria-label=${camera.name}>
    <header>
      <h3>${camera.name}</h3>
      ${camera.working
        ? html`<span class="badge good">${words.say("camera.working")}</span>`
        : html`<span class="badge bad">${words.say("camera.not_working")}</span>`}
    </header>
    ${!camera.working && html`<p class="trouble">${words.say("camera.not_working")}<${Because} reason=${camera.reason} /></p>`}
    ${shown
      ? html`<${Picture} camera=${camera} snapshot=${shown} newest=${shown === alive[0]} now=${now} />
          <${Strip} camera=${camera} snapshots=${alive} shown=${shown} choose=${setChosen} now=${now} />`
      : html`<p class="no-picture">${words.say("camera.no_pictures")}</p>`}
    <footer>
      <p>
        ${words.say("camera.kept", { n: camera.pictures })}
        ${" "}${words.say("camera.limit", { span: words.span(camera.keep_seconds) })}
      </p>
      <${Erase} camera=${camera} receipts=${receipts} />
    </footer>
  </article>`;
}

function Picture({ camera, snapshot, newest, now }) {
  const { words } = usePage();
  const left = (Date.parse(snapshot.goes) - now) / 1000;
  return html`<figure class="picture">
    <img src=${imageOf(snapshot)} alt=${words.say("camera.picture_alt", { name: camera.name, time: words.time(snapshot.at, { seconds: true }) })} />
    <figcaption>
      <span>${newest ? words.say("camera.newest") : words.say("camera.older")} <${Time} at=${snapshot.at} seconds /></span>
      <span class="goes">${words.say("camera.goes", { span: words.span(left) })}</span>
    </figcaption>
  </figure>`;
}

/** Small pictures, newest first; choosing one shows it large. The bar under each is the life it has left. */
function Strip({ camera, snapshots, shown, choose, now }) {
  const { words } = usePage();
  return html`<ul class="strip" aria-label=${words.say("camera.strip", { name: camera.name })}>
    ${snapshots.map((each) => {
      const left = (Date.parse(each.goes) - now) / 1000;
      return html`<li key=${each.id}>
        <button
          type="button"
          aria-pressed=${each === shown ? "true" : "false"}
          onClick=${() => choose(each === snapshots[0] ? null : each.id)}
        >
          <img src=${thumbnailOf(each)} alt=${words.say("camera.thumbnail_alt", { time: words.time(each.at, { seconds: true }) })} loading="lazy" />
          <${Life} share=${left / ((Date.parse(each.goes) - Date.parse(each.at)) / 1000)} />
          <span class="left">${words.span(left)}</span>
        </button>
      </li>`;
    })}
  </ul>`;
}

function Life({ share }) {
  const bar = useRef(null);
  useEffect(() => bar.current.style.setProperty("--left", Math.min(1, Math.max(0, share))));
  return html`<span class="life" ref=${bar} aria-hidden="true"></span>`;
}

function Erase({ camera, receipts }) {
  const { words, connected, announce } = usePage();
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const [order, setOrder] = useState(null);
  const [error, setError] = useState(null);

  async function answer(yes) {
    setAsking(false);
    if (!yes) return;
    setBusy(true);
    setError(null);
    try {
      setOrder((await erasePictures(camera.id)).order);
      announce(words.say("erase.journaled"));
    } catch (refusal) {
      setError(refusal);
    }
    setBusy(false);
  }

  return html`<button type="button" class="danger" disabled=${!connected || busy} onClick=${() => setAsking(true)}>
      ${words.say("erase.button")}
    </button>
    <${Confirm} open=${asking} title=${words.say("erase.title", { name: camera.name })} yes=${words.say("erase.yes")} onAnswer=${answer}>
      <p>${words.say("erase.what", { n: camera.pictures })}</p>
      <p>${words.say("erase.then")}</p>
      <p class="fine">${words.say("erase.limits")}</p>
    <//>
    ${order && html`<${Progress} order=${order} receipts=${receipts} />`}
    <${Trouble} error=${error} />`;
}

/** What has become of the order: each step as it happens, then the way to its receipt. */
function Progress({ order, receipts }) {
  const { words } = usePage();
  const reached = useRef(new Set()); // the page shows the newest receipts only: what has come stays come
  const shown = receipts.filter((each) => each.order === order);
  shown.forEach((each) => reached.current.add(`${order} ${each.kind}`));
  const has = (kind) => reached.current.has(`${order} ${kind}`);
  const step = (key, done) => html`<li class=${done ? "done" : "due"}>
    ${words.say(`erase.step.${key}`)}<span class="unseen"> (${words.say(done ? "step.done" : "step.due")})</span>
  </li>`;
  return html`<div class="progress">
    <ol>
      ${step("journaled", true)} ${step("erased", has("erased"))} ${step("verified", has("verified"))}
    </ol>
    ${shown.length > 0 && html`<a href=${`#order-${order}`}>${words.say("erase.to_receipt")}</a>`}
  </div>`;
}
