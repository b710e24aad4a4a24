// What was done, said for a while at the edge of the page, and how to undo it.
import { told } from "./api.js";
import { useKeys } from "./keys.js";
import { html, useEffect, useState } from "./lib.js";

/** @typedef {{text: string, undo?: () => Promise<unknown>, bad?: boolean}} Note */

/** @type {(note: Note | null) => void} */
let show = () => {};
const SECONDS = 20;

/** Say what was done. @param {string} text @param {() => Promise<unknown>} [undo] */
export const say = (text, undo) => show({ text, undo });

/** Say what went wrong. @param {unknown} error */
export const complain = (error) => show({ text: told(error), bad: true });

/** Do something, and complain if it fails; returns whether it was done. @param {() => Promise<unknown>} run */
export async function attempt(run) {
  try {
    await run();
    return true;
  } catch (error) {
    complain(error);
    return false;
  }
}

export function Toast() {
  const [note, setNote] = useState(/** @type {Note | null} */ (null));
  show = setNote;
  useEffect(() => {
    const timer = note && setTimeout(() => setNote(null), SECONDS * 1000);
    return () => void (timer && clearTimeout(timer));
  }, [note]);
  const undo = async () => {
    if (!note?.undo) return;
    setNote(null);
    await attempt(note.undo);
  };
  useKeys(note?.undo ? [{ keys: "z", does: "Undo", run: undo }] : []);
  return html`<div class=${`toast${note?.bad ? " bad" : ""}`} role="status" aria-live="polite">
    ${note && html`<span>${note.bad ? html`<strong>Not done: </strong>` : ""}${note.text}</span>
      ${note.undo && html`<button type="button" onClick=${undo}>Undo <kbd>z</kbd></button>`}
      <button type="button" class="plain" aria-label="Close this message" onClick=${() => setNote(null)}>✕</button>`}
  </div>`;
}
