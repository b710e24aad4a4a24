// Two texts, and what differs, word by word: struck out and underlined, so that no colour is needed to see it.
import { Fragment, html, useEffect, useState } from "./lib.js";
import { visible } from "./markdown.js";

const MOST = 40_000;

/** @param {{before: string, after: string}} props */
export function WordDiff({ before, after }) {
  const [parts, setParts] = useState(/** @type {import("./vendor/jsdiff/diff/word.js").Change[] | null} */ (null));
  const isLong = before.length + after.length > MOST;
  useEffect(() => {
    let isGone = false;
    if (!isLong)
      import("./vendor/jsdiff/diff/word.js").then(({ diffWordsWithSpace }) => isGone || setParts(diffWordsWithSpace(visible(before), visible(after))));
    return () => {
      isGone = true;
    };
  }, [before, after]);
  if (isLong) return html`<p class="quiet">These texts are too long to be compared here.</p>`;
  if (!parts) return html`<p class="diff">${visible(after)}</p>`;
  return html`<p class="diff" dir="auto">
    ${parts.map((part) =>
      part.added
        ? html`<ins><span class="unseen">added: </span>${part.value}</ins>`
        : part.removed
          ? html`<del><span class="unseen">removed: </span>${part.value}</del>`
          : html`<${Fragment}>${part.value}<//>`,
    )}
  </p>`;
}
