// What orders to erase have come to: order by order, store by store, with the proof to take away.
import { html } from "./html.js";
import { Time, usePage } from "./context.js";
import { receiptFile } from "./requests.js";

/** Orders shown before one asks for the rest. */
const FIRST = 4;

export function Receipts({ receipts }) {
  const { words } = usePage();
  const orders = byOrder(receipts);
  const card = (each) => html`<li key=${each[0].order}><${Order} receipts=${each} first=${each === orders[0]} /></li>`;
  return html`<section aria-labelledby="receipts-title" class="receipts">
    <h2 id="receipts-title">${words.say("receipts.title")}</h2>
    ${orders.length === 0 && html`<p class="empty">${words.say("receipts.none")}</p>`}
    <ul class="orders">${orders.slice(0, FIRST).map(card)}</ul>
    ${orders.length > FIRST &&
    html`<details class="older">
      <summary>${words.say("receipts.older", { n: orders.length - FIRST })}</summary>
      <ul class="orders">${orders.slice(FIRST).map(card)}</ul>
    </details>`}
  </section>`;
}

function Order({ receipts, first }) {
  const { words } = usePage();
  const [{ order, issuer }] = receipts;
  return html`<article class="card order" id=${`order-${order}`} tabindex="-1" aria-label=${words.say("receipt.order", { order })}>
    <header>
      <h3>${words.say("receipt.title")}</h3>
      <p class="ids">${words.sayIfKnown(`issuer.${issuer}`, issuer)} · ${order}</p>
    </header>
    ${receipts.map((each, index) => html`<${Receipt} key=${each.kind} receipt=${each} open=${first && index === 0} />`)}
  </article>`;
}

function Receipt({ receipt, open }) {
  const { words } = usePage();
  const total = (key) => receipt.stores.reduce((sum, each) => sum + each[key], 0);
  const left = total("left");
  return html`<div class="receipt">
    <h4>
      <span class=${`badge ${left === 0 ? "good" : "bad"}`}>${words.say(`receipt.${receipt.kind}`)}</span>
      <${Time} at=${receipt.at} seconds />
    </h4>
    <p>${words.say("receipt.sum", { found: total("found"), erased: total("erased"), left })}</p>
    <ul class="proofs">
      <li class=${receipt.signature_valid ? "yes" : "no"}>
        ${words.say(receipt.signature_valid ? "receipt.signature_valid" : "receipt.signature_invalid")}
      </li>
      <li class=${receipt.acknowledged ? "yes" : "waiting"}>
        ${words.say(receipt.acknowledged ? "receipt.acknowledged" : "receipt.unacknowledged")}
      </li>
      <li>
        <a href=${receiptFile(receipt)} download aria-label=${words.say("receipt.download_kind", { kind: words.say(`receipt.${receipt.kind}`) })}>
          ${words.say("receipt.download")}
        </a>
      </li>
    </ul>
    <details open=${open}>
      <summary>${words.say("receipt.stores")}<span class="unseen">: ${words.say(`receipt.${receipt.kind}`)}</span></summary>
      <${Stores} stores=${receipt.stores} />
    </details>
  </div>`;
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
            <td class=${each.left > 0 ? "bad" : ""}>${words.value(each.left)}</td>
            <td>${each.tier}</td>
          </tr>`,
        )}
      </tbody>
    </table>
    ${tiers.map((tier) => html`<p class="tier" key=${tier}><b>${tier}</b>: ${words.say(`tier.${tier}`)}</p>`)}`;
}

/** Receipts of the same order together, in the order in which they came. */
function byOrder(receipts) {
  const orders = new Map();
  for (const each of receipts) orders.set(each.order, [...(orders.get(each.order) ?? []), each]);
  return [...orders.values()];
}
