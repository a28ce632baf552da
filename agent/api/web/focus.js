// Where the keyboard is, when what it was on goes away.
import { useEffect, useRef } from "./html.js";

/**
 * A ref for the part of the page that opens something in itself, such as a form. When that closes, the button that
 * opens it has the focus again: the first there is that fits `selector`.
 */
export function useFocusBack(open, selector = "button") {
  const part = useRef(null);
  const was = useRef(open);
  useEffect(() => {
    if (was.current && !open) part.current.querySelector(selector)?.focus();
    was.current = open;
  }, [open]);
  return part;
}

/** A ref for what has the focus as soon as it is there, if `wanted`. */
export function useFocusNow(wanted = true) {
  const part = useRef(null);
  useEffect(() => wanted && part.current.focus(), []);
  return part;
}

/** Put the focus on the first of these that is there, by their ids. */
export function focusOn(...ids) {
  document.getElementById(ids.find((id) => document.getElementById(id)))?.focus();
}
