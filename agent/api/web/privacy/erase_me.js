// Everything about the person goes: what that means, said before; and the proof of it, shown after they are signed out.
import { html, useEffect, useMemo, useState } from "../html.js";
import { useAsking } from "../asking.js";
import { Confirm } from "../confirm.js";
import { Time, Trouble, usePage } from "../context.js";
import { Press } from "../fields.js";
import { erasePerson } from "../requests.js";
import { Deadline } from "./deadline.js";

export function EraseMe({ erasing, setErasing }) {
  const { words, who, announce } = usePage();
  const [asking, setAsking] = useState(false);
  const { busy, error, ask } = useAsking();

  const answer = (yes) => {
    setAsking(false);
    if (!yes) return;
    ask(async () => {
      setErasing({ order: (await erasePerson(who.person)).order, receipts: [] });
      announce(words.say("erase.journaled"));
    });
  };

  return html`<article class="card" aria-labelledby="erase-me-title">
    <h3 id="erase-me-title">${words.say("erase_me.title")}</h3>
    <p>${words.say("erase_me.what")}</p>
    <${Deadline} soon="deadline.minute" />
    ${erasing
      ? html`<p class="progress" role="status">${words.say("erase_me.under_way")} <span class="ids">${erasing.order}</span></p>`
      : html`<${Press} class="danger" busy=${busy} onClick=${() => setAsking(true)}>${words.say("erase_me.button")}<//>`}
    <${Confirm} open=${asking} title=${words.say("erase_me.ask")} yes=${words.say("erase_me.yes")} onAnswer=${answer}>
      <p>${words.say("erase_me.then")}</p>
      <p>${words.say("erase_me.receipts")}</p>
      <p>${words.say("erase_me.limits")}</p>
    <//>
    <${Trouble} error=${error} />
  </article>`;
}

/** As `erasing`, with each receipt of it that came while one could still see them: nobody can fetch them here later. */
export function useErasing(receipts) {
  const [erasing, setErasing] = useState(null);
  useEffect(() => {
    const own = (receipts ?? []).filter((each) => each.order === erasing?.order);
    if (own.length > (erasing?.receipts.length ?? 0)) setErasing({ ...erasing, receipts: own });
  }, [receipts, erasing]);
  return [erasing, setErasing];
}

/** Shown to whom the gateway does not know any more. */
export function Erased({ erasing, done }) {
  const { words } = usePage();
  return html`<section class="card door" aria-labelledby="erased-title">
    <h2 id="erased-title" tabindex="-1">${words.say("erased.title")}</h2>
    <p>${words.say("erased.what")}</p>
    <p class="ids">${erasing.order}</p>
    <ul class="rows">
      ${erasing.receipts.map((each) => html`<li key=${each.kind} class="row"><${Proof} receipt=${each} /></li>`)}
    </ul>
    <p class="fine">${words.say("erased.later")}</p>
    <button type="button" class="primary" onClick=${done}>${words.say("erased.done")}</button>
  </section>`;
}

/** A receipt out of this page's memory: whoever was erased is signed in no more to fetch it. */
function Proof({ receipt }) {
  const { words } = usePage();
  const file = useMemo(() => URL.createObjectURL(new Blob([receipt.jws], { type: "application/jose" })), [receipt]);
  useEffect(() => () => URL.revokeObjectURL(file), [file]);
  return html`<p><b>${words.say(`receipt.${receipt.kind}`)}</b> <span class="fine"><${Time} at=${receipt.at} seconds /></span></p>
    <a class="button" href=${file} download=${`receipt-${receipt.order}-${receipt.kind}.jws`}>
      ${words.say("receipt.download", { kind: words.say(`receipt.${receipt.kind}`) })}
    </a>`;
}
