// What the home keeps, what for, and until when: kind by kind.
import { html, useEffect, useState } from "../html.js";
import { useAsking } from "../asking.js";
import { Reason, Time, Trouble, usePage } from "../context.js";
import { inventory } from "../requests.js";

const UNITS = ["minute", "hour", "day", "month", "year"];

export function Kept() {
  const { words } = usePage();
  const [rows, setRows] = useState(null);
  const { error, ask } = useAsking();

  useEffect(() => {
    ask(async () => setRows(await inventory()));
  }, []);

  return html`<section aria-labelledby="kept-title">
    <h2 id="kept-title">${words.say("kept.title")}</h2>
    <p class="fine">${words.say("kept.what")}</p>
    ${error?.code === "no_contact" && html`<${Trouble} error=${error} />`}
    ${error && error.code !== "no_contact" && html`<p class="empty">${words.say("kept.not_shown")}</p>`}
    ${rows === null && !error && html`<p class="empty">${words.say("loading")}</p>`}
    ${rows !== null &&
    html`<ul class="card rows kept">
      ${rows.map((each) => html`<li key=${each.record_class} class="row"><${Row} row=${each} /></li>`)}
    </ul>`}
  </section>`;
}

function Row({ row }) {
  const { words } = usePage();
  const kind = row.record_class;
  const grounds = row.basis.split(" / ").map((each) => words.sayIfKnown(`basis.${each}`, each));
  return html`<p>
      <b class="kind">${words.sayIfKnown(`class.${kind}`, kind)}</b>
      <span class="fine">${words.sayIfKnown(`kept.for.${kind}`, row.purpose)} · ${words.listed(grounds)}</span>
    </p>
    <p class="goes-on">
      <${Limit} row=${row} />
      <span class="fine">
        ${words.say("kept.count", { n: row.count })}
        ${row.next_to_go && html` · ${words.say("kept.next")} <${Time} at=${row.next_to_go} />`}
        ${row.held > 0 && html` · ${words.say("kept.held", { n: row.held })} <${Time} at=${row.held_until} />`}
      </span>
    </p>`;
}

/** A plain span as a span; of what waits for something, what it waits for. */
function Limit({ row }) {
  const { words } = usePage();
  const [, count, unit] = row.limit.match(/^(\d+) (\w+?)s?$/) ?? [];
  if (UNITS.includes(unit)) return words.say("kept.limit", { span: words.say(`kept.${unit}`, { n: Number(count) }) });
  return words.sayIfKnown(`kept.until.${row.record_class}`, html`<${Reason}>${row.limit}<//>`);
}
