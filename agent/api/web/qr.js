// A picture to scan, from the SVG document that the gateway made.
import { html, useMemo } from "./html.js";

const KEPT = { svg: ["viewBox", "width", "height"], path: ["d", "transform", "fill", "stroke"] };

/** `svg`: the document; `label`: what it leads to. Only its shapes are taken over, whatever else stands in it. */
export function Qr({ svg, label }) {
  const shapes = useMemo(() => drawn(svg), [svg]);
  return html`<figure class="qr">
    <svg role="img" aria-label=${label} viewBox=${shapes.box}>
      ${shapes.paths.map((each, number) => html`<path key=${number} ...${each} />`)}
    </svg>
  </figure>`;
}

function drawn(svg) {
  const root = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
  const paths = [...root.getElementsByTagName("path")].map((path) => attributes(path, KEPT.path));
  const { viewBox, width, height } = attributes(root, KEPT.svg);
  return { box: viewBox ?? `0 0 ${parseFloat(width)} ${parseFloat(height)}`, paths };
}

function attributes(element, names) {
  return Object.fromEntries(names.filter((name) => element.hasAttribute(name)).map((name) => [name, element.getAttribute(name)]));
}
