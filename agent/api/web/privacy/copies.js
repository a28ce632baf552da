// A copy of all that is kept of the person: asked for, made, fetched, and gone after a day.
import { html, useEffect, useState } from "../html.js";
import { useAsking } from "../asking.js";
import { Time, Trouble, usePage } from "../context.js";
import { Press } from "../fields.js";
import { focusOn } from "../focus.js";
import { askForCopy, copies as askCopies, copyFile, dropCopy } from "../requests.js";
import { Deadline } from "./deadline.js";

/** How often it is looked whether a copy is ready, ms. */
const LOOK = 700;

export function Copies() {
  const { words, announce } = usePage();
  const [copies, setCopies] = useState([]);
  const { busy, error, ask } = useAsking();
  const making = copies.some((each) => each.state === "making");

  const look = () => ask(async () => setCopies(await askCopies()));
  useEffect(() => {
    look();
  }, []);
  useEffect(() => {
    if (!making) return undefined;
    const looking = setInterval(look, LOOK);
    return () => {
      clearInterval(looking);
      announce(words.say("copies.made"));
    };
  }, [making]);

  const want = () =>
    ask(async () => {
      await askForCopy({ language: words.language });
      announce(words.say("copies.asked"));
      setCopies(await askCopies());
    });

  const drop = (copy) =>
    ask(async () => {
      await dropCopy(copy.id);
      announce(words.say("copies.gone"));
      focusOn("copies-title"); // the button is gone
      setCopies(await askCopies());
    });

  return html`<article class="card" aria-labelledby="copies-title">
    <h3 id="copies-title" tabindex="-1">${words.say("copies.title")}</h3>
    <p>${words.say("copies.what")}</p>
    <${Deadline} soon="deadline.minute" />
    <ul class="rows">${copies.map((each) => html`<li key=${each.id} class="row"><${Copy} copy=${each} drop=${drop} /></li>`)}</ul>
    <${Press} busy=${busy || making} onClick=${() => making || want()}>${words.say(copies.length > 0 ? "copies.anew" : "copies.ask")}<//>
    <${Trouble} error=${error} />
  </article>`;
}

function Copy({ copy, drop }) {
  const { words } = usePage();
  return html`<p>
      <b>${words.say(`copies.state.${copy.state}`)}</b>
      <span class="fine">
        ${words.say("copies.asked_at")} <${Time} at=${copy.asked} />
        ${copy.ready && html` · ${words.say("copies.ready_at")} <${Time} at=${copy.ready} />`}
        ${copy.state === "making" && html` · ${words.say("copies.by")} <${Time} at=${copy.promised} />`}
        ${copy.ready && html` · ${words.say("copies.gone_at")} <${Time} at=${copy.gone} />`}
        ${copy.ready && html` · ${words.value(Math.ceil(copy.size / 1024), { unit: "KiB" })}`}
      </span>
      ${copy.failure && html`<span class="fine">${words.say(`copies.failure.${copy.failure}`)}</span>`}
    </p>
    ${copy.ready &&
    html`<a class="button primary" href=${copyFile(copy)} download>${words.say("copies.download")}</a>
      <button type="button" onClick=${() => drop(copy)}>${words.say("copies.drop")}</button>`}`;
}
