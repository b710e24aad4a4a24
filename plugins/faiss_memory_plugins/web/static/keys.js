// The keyboard: which keys do what now, and the list of them for `?`.
import { useEffect, useRef } from "./lib.js";

/** @typedef {{keys: string, does: string, run: (event: KeyboardEvent) => void}} Shortcut */

/** @type {Set<{current: Shortcut[]}>} */
const groups = new Set();

/** All shortcuts that work now. */
export const shortcuts = () => [...groups].flatMap((group) => group.current);

/** @param {KeyboardEvent} event */
function nameOf(event) {
  const held = event.metaKey || event.ctrlKey ? "Mod+" : event.altKey ? "Alt+" : "";
  return held + event.key;
}

/** @param {EventTarget | null} target */
const isTyping = (target) => target instanceof HTMLElement && Boolean(target.closest("input:not([type=checkbox]), textarea, select"));

/** Whether a key does something of the browser's own where it is pressed. @param {string} name @param {EventTarget | null} target */
const isTaken = (name, target) => name === "Enter" && target instanceof HTMLElement && Boolean(target.closest("button, summary, a:not([data-row])"));

addEventListener("keydown", (event) => {
  const name = nameOf(event);
  const isOpen = Boolean(document.querySelector("dialog[open]"));
  if (event.defaultPrevented || isTaken(name, event.target) || (isOpen && name !== "Mod+k") || (isTyping(event.target) && !name.startsWith("Mod+") && name !== "Escape")) return;
  const found = shortcuts().reverse().find((one) => one.keys.split(" ").includes(name));
  if (!found) return;
  event.preventDefault();
  found.run(event);
});

/** Let keys do something while a part of the page is there. @param {Shortcut[]} group */
export function useKeys(group) {
  const held = useRef(group);
  held.current = group;
  useEffect(() => {
    groups.add(held);
    return () => void groups.delete(held);
  }, []);
}
