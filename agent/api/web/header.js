// Who this gateway is, how it is, in which language, and the way to each view.
import { html } from "./html.js";
import { Because, Time, usePage } from "./context.js";
import { addressOf } from "./route.js";
import { LANGUAGES } from "./text.js";

/** `views`: those that there are for who is signed in; `view`: the one that is shown. */
export function Header({ state, views, view, choose }) {
  const { words, connected } = usePage();
  return html`<header class="page">
    <img src="/static/icon.svg" alt="" width="40" height="40" />
    <div class="who">
      <h1>Portvakt</h1>
      ${state && html`<p>${state.gateway} · ${state.version}</p>`}
    </div>
    ${state &&
    html`<ul class="states" aria-label=${words.say("header.states")}>
      <li class=${connected ? "good" : "bad"}>
        ${connected ? html`${words.say("gateway.runs")} <${Time} at=${state.ready_at} />` : words.say("gateway.no_contact")}
      </li>
      ${connected && html`<li class=${linkLook(state.link)}><${Link} link=${state.link} /></li>`}
    </ul>`}
    <div class="languages" role="group" aria-label=${words.say("header.language")}>
      ${Object.entries(LANGUAGES).map(
        ([language, name]) => html`<button
          key=${language}
          type="button"
          lang=${language}
          aria-pressed=${language === words.language ? "true" : "false"}
          onClick=${() => choose(language)}
        >${name}</button>`,
      )}
    </div>
    ${views.length > 0 &&
    html`<nav aria-label=${words.say("header.views")}>
      <ul>
        ${views.map(
          (each) => html`<li key=${each}>
            <a href=${addressOf(each)} aria-current=${each === view ? "page" : undefined}>${words.say(`view.${each}`)}</a>
          </li>`,
        )}
      </ul>
    </nav>`}
  </header>`;
}

function linkLook(link) {
  if (!link.configured) return "off";
  return link.connected ? "good" : "warn";
}

function Link({ link }) {
  const { words } = usePage();
  if (!link.configured) return words.say("link.none");
  const since = link.since && html` ${words.say("since")} <${Time} at=${link.since} />`;
  if (link.connected) return html`${words.say("link.connected")}${since}`;
  return html`${words.say("link.down")}${since}<${Because} reason=${link.reason} />`;
}
