// Two texts, and what differs, word by word: struck out and underlined, so that no colour is needed to see it.
import { html, useEffect, useState } from "./lib.js";
import { visible } from "./markdown.js";
import { isFiller } from "./words.js";

const MOST = 40_000;
/** So many words of little meaning between two changes are no reason to read them as two. */
const MOST_BETWEEN = 2;

/** @typedef {import("./vendor/jsdiff/diff/word.js").Change} Change */
/** @typedef {{kept: string, removed: string, added: string}} Run what was kept as it is, and then one thing in the place of another */

/** Whether what two changes leave between them says nothing: they are read as one. @param {string} kept */
function saysNothing(kept) {
  const words = kept.match(/[\p{L}\p{N}_]+/gu) || [];
  return words.length <= MOST_BETWEEN && words.every(isFiller) && !kept.includes("\n");
}

/** Changes word by word, as runs that can be read: a rewritten sentence would else fall to pieces. @param {Change[]} parts @returns {Run[]} */
export function runs(parts) {
  /** @type {Run[]} */
  const found = [{ kept: "", removed: "", added: "" }];
  for (const { value, added, removed } of parts) {
    const last = found[found.length - 1];
    if (added) last.added += value;
    else if (removed) last.removed += value;
    else found.push({ kept: value, removed: "", added: "" });
  }
  /** @type {Run[]} */
  const joined = [];
  for (const run of found) {
    const last = joined[joined.length - 1];
    const isBetween = last && (last.removed || last.added) && (run.removed || run.added);
    if (isBetween && saysNothing(run.kept)) {
      last.removed += run.kept + run.removed;
      last.added += run.kept + run.added;
    } else joined.push(run);
  }
  return joined.filter((run) => run.kept || run.removed || run.added);
}

/** @param {Run} run */
function Changed({ kept, removed, added }) {
  // (What stands side by side would be read as one word.)
  const between = removed && added && !/\s$/.test(removed) && !/^\s/.test(added) ? " " : "";
  return html`${kept}${removed && html`<del><span class="unseen">removed: </span>${removed}</del>`}${between}${added && html`<ins><span class="unseen">added: </span>${added}</ins>`}`;
}

/** @param {{before: string, after: string}} props */
export function WordDiff({ before, after }) {
  const [parts, setParts] = useState(/** @type {Change[] | null} */ (null));
  const isLong = before.length + after.length > MOST;
  useEffect(() => {
    let isGone = false;
    if (!isLong) import("./vendor/jsdiff/diff/word.js").then(({ diffWords }) => isGone || setParts(diffWords(visible(before), visible(after))));
    return () => {
      isGone = true;
    };
  }, [before, after]);
  if (isLong) return html`<p class="quiet">These texts are too long to be compared here.</p>`;
  if (!parts) return html`<p class="diff">${visible(after)}</p>`;
  return html`<p class="diff" dir="auto">${runs(parts).map((run) => html`<${Changed} ...${run} />`)}</p>`;
}
