// What orders to erase have come to: order by order, store by store, with the proof to take away.
import { html } from "./html.js";
import { Time, usePage } from "./context.js";
import { receiptFile } from "./requests.js";

/** Orders listed before one asks for the rest. */
const FIRST = 3;
/** As many receipts as the gateway shows here; of more it tells only in its log. */
const SHOWN = 20;

export function Receipts({ receipts }) {
  const { words } = usePage();
  const orders = byOrder(receipts);
  const row = (each) => html`<li key=${each[0].order}><${Order} receipts=${each} newest=${each === orders[0]} /></li>`;
  return html`<section aria-labelledby="receipts-title" class="receipts">
    <h2 id="receipts-title">${words.say("receipts.title")}</h2>
    ${orders.length === 0 && html`<p class="empty">${words.say("receipts.none")}</p>`}
    <ul class="orders">${orders.slice(0, FIRST).map(row)}</ul>
    ${orders.length > FIRST &&
    html`<details class="older">
      <summary>${words.say("receipts.older", { n: orders.length - FIRST })}</summary>
      <ul class="orders">${orders.slice(FIRST).map(row)}</ul>
    </details>`}
    ${receipts.length >= SHOWN && html`<p class="fine">${words.say("receipts.newest")} <code>portvakt receipt list</code></p>`}
  </section>`;
}

/** One order: the newest lies open, the others are folded to when, and how it ended. */
function Order({ receipts, newest }) {
  const { words } = usePage();
  const [last] = receipts;
  const { order, issuer } = last;
  return html`<article class="card order" id=${`order-${order}`} tabindex="-1" aria-label=${words.say("receipt.order", { order })}>
    <details open=${newest}>
      <summary>
        <span class="what"><h3>${words.say("receipt.title")}</h3> <${Time} at=${last.at} /></span>
        <${Outcome} receipt=${last} />
      </summary>
      <p class="ids">${words.sayIfKnown(`issuer.${issuer}`, issuer)} · ${order}</p>
      ${groups(receipts).map((each) => html`<${Receipt} key=${each[0].kind} receipts=${each} open=${newest && each.includes(last)} />`)}
    </details>
  </article>`;
}

function Outcome({ receipt }) {
  const { words } = usePage();
  const look = receipt.signature_valid ? { yes: "good", held: "warn", no: "bad" }[end(receipt.stores)] : "bad";
  const said = look === "warn" ? "receipt.left_held" : `receipt.${receipt.kind}`;
  return html`<span class=${`badge ${look}`}>${words.say(said)}</span>`;
}

/** Receipts with the same numbers, in one: each with its tick and its time. */
function Receipt({ receipts, open }) {
  const { words } = usePage();
  const [{ stores }] = receipts;
  const kinds = receipts.map((each) => words.say(`receipt.${each.kind}`)).join(", ");
  return html`<div class="receipt">
    <ul class="steps">
      ${receipts.map(
        (each) => html`<li key=${each.kind} class=${end(stores)}>
          <b>${words.say(`receipt.${each.kind}`)}</b> <${Time} at=${each.at} seconds />
        </li>`,
      )}
    </ul>
    ${counted(stores).map(
      ([key, some]) => html`<p key=${key}>
          ${words.say(`receipt.sum.${key}`, { found: sum(some, "found"), erased: sum(some, "erased"), left: sum(some, "left") })}
        </p>
        <${Ways} stores=${some} />`,
    )}
    ${exempted(stores).map(
      (each) => html`<p key=${`${each.reason} ${each.due}`} class="left-held">
        ${words.say("receipt.held", { n: each.count, reason: words.sayIfKnown(`hold.${each.reason}`, each.reason) })}
        ${" "}<${Time} at=${each.due} />.
      </p>`,
    )}
    <ul class="proofs">
      <${Proof} receipts=${receipts} of=${(each) => (each.signature_valid ? ["yes", "signature_valid"] : ["no", "signature_invalid"])} />
      <${Proof} receipts=${receipts} of=${(each) => (each.acknowledged ? ["yes", "acknowledged"] : ["waiting", "unacknowledged"])} />
      ${receipts.map(
        (each) => html`<li key=${each.kind} class="file">
          <a href=${receiptFile(each)} download>${words.say("receipt.download", { kind: words.say(`receipt.${each.kind}`) })}</a>
        </li>`,
      )}
    </ul>
    <details open=${open}>
      <summary>${words.say("receipt.stores")}<span class="unseen">: ${kinds}</span></summary>
      <${Stores} stores=${stores} />
    </details>
  </div>`;
}

/** By which of the ways to concern somebody pictures were found; one may be found by several. */
function Ways({ stores }) {
  const { words } = usePage();
  const found = ways(stores).map(([way, n]) => words.say(`receipt.by.${way}`, { n }));
  return found.length > 0 && html`<p class="fine ways">${words.say("receipt.found_by")} ${found.join(" ")}</p>`;
}

/** Said once where it is the same of all of them, else of each by its name. */
function Proof({ receipts, of }) {
  const { words } = usePage();
  const same = new Set(receipts.map((each) => of(each)[1])).size === 1;
  return (same ? receipts.slice(0, 1) : receipts).map((each) => {
    const [look, key] = of(each);
    const name = same ? "" : `${words.say(`receipt.${each.kind}`)}: `;
    return html`<li key=${each.kind} class=${look}>${name}${words.say(`receipt.${key}`)}</li>`;
  });
}

function Stores({ stores }) {
  const { words } = usePage();
  const tiers = [...new Set(stores.map((each) => each.tier))].sort();
  return html`<table>
      <thead>
        <tr>
          ${["store", "found", "erased", "left", "tier"].map((key) => html`<th key=${key} scope="col">${words.say(`column.${key}`)}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${stores.map(
          (each) => html`<tr key=${each.store}>
            <th scope="row">${words.sayIfKnown(`store.${each.store}`, each.store)}</th>
            <td>${words.value(each.found)}</td>
            <td>${words.value(each.erased)}</td>
            <td class=${end([each]) === "no" ? "bad" : ""}>${words.value(each.left)}</td>
            <td>${each.tier}</td>
          </tr>`,
        )}
      </tbody>
    </table>
    ${tiers.map((tier) => html`<p class="tier" key=${tier}><b>${tier}</b>: ${words.say(`tier.${tier}`)}</p>`)}`;
}

/** How it ended: nothing left, no more left than is held, or something else. */
function end(stores) {
  const left = sum(stores, "left");
  if (left === 0) return "yes";
  return left === sum(stores.flatMap((each) => each.exemptions), "count") ? "held" : "no";
}

/** Each way to concern somebody by which any were found, and how many. */
function ways(stores) {
  return ["assigned", "tagged", "claimed"]
    .map((way) => [way, stores.reduce((total, each) => total + (each.by[way] ?? 0), 0)])
    .filter(([, n]) => n > 0);
}

/** What was left for a reason: how much, why and until when, over all stores. */
function exempted(stores) {
  const all = new Map();
  for (const { reason, due, count } of stores.flatMap((each) => each.exemptions)) {
    const key = `${reason} ${due}`;
    all.set(key, { reason, due, count: count + (all.get(key)?.count ?? 0) });
  }
  return [...all.values()];
}

const sum = (stores, key) => stores.reduce((total, each) => total + each[key], 0);

/** Pictures first, for they are what people think of; then the rest. What has nothing to count is left out. */
function counted(stores) {
  const parts = [
    ["pictures", stores.filter((each) => each.store === "snapshots")],
    ["others", stores.filter((each) => each.store !== "snapshots")],
  ].filter(([, some]) => some.length > 0);
  const told = parts.filter(([, some]) => sum(some, "found") + sum(some, "left") > 0);
  return told.length > 0 ? told : parts.slice(0, 1);
}

/** Receipts of the same order together, in the order in which they came. */
function byOrder(receipts) {
  const orders = new Map();
  for (const each of receipts) orders.set(each.order, [...(orders.get(each.order) ?? []), each]);
  return [...orders.values()];
}

/** The receipts of one order, newest first: as one, first things first, where they say the same of every store. */
function groups(receipts) {
  const said = new Set(receipts.map((each) => JSON.stringify(each.stores)));
  return said.size === 1 ? [[...receipts].reverse()] : receipts.map((each) => [each]);
}
