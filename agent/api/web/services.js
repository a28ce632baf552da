// What does not run, in words: a service is named after what is behind it, where the page knows that by a name.
import { html } from "./html.js";
import { Reason, usePage } from "./context.js";

export function Problems({ state }) {
  const { words } = usePage();
  const troubled = state.services.filter((each) => each.problem);
  return html`<section class="problems" aria-labelledby="problems-title" hidden=${troubled.length === 0}>
    <h2 id="problems-title">${words.say("problems.title", { n: troubled.length })}</h2>
    <ul>
      ${troubled.map(
        (each) => html`<li key=${each.name}><b>${nameOf(each, state, words)}:</b> <${Reason}>${each.problem}<//></li>`,
      )}
    </ul>
  </section>`;
}

function nameOf(service, state, words) {
  const [, kind, what] = service.name.match(/^(line|camera) (.+)$/) ?? [];
  if (kind === "camera") {
    return words.say("service.camera", { name: state.cameras.find((each) => each.id === what)?.name ?? what });
  }
  if (kind === "line") {
    const names = state.devices.filter((each) => isBehind(each, what, service.problem)).map((each) => each.name);
    return words.say("service.line", { name: names.length > 0 ? names.join(", ") : what });
  }
  return words.sayIfKnown(`service.${service.name}`, service.name);
}

/**
 * A line of one accessory has its id, and a bridge's devices begin with it. A serial port has a name of its own; its
 * problem is the reason why none of its devices can be reached.
 */
function isBehind(device, line, problem) {
  return device.id === line || device.id.startsWith(`${line}.`) || (!device.reachable && device.reason === problem);
}
