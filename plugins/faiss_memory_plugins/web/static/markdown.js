// A memory's text as Markdown: a small part of it, drawn as nodes of text. Nothing of a text is ever markup, a link that
// can be followed, or a picture that is loaded: who wrote it may not have meant well.
import { html } from "./lib.js";

const LONGEST = 200_000;
/** Words of so few letters begin too many others to be marked there. */
const SHORT = 3;
const INLINE = /`([^`\n]{1,400})`|\*\*([^*\n]{1,400})\*\*|(?<![\p{L}\p{N}*])\*([^*\s][^*\n]{0,400})\*(?!\*)/gu;
const HIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]/gu;

/** Show what cannot be seen, such as zero-width letters and those that turn the direction. @param {string} text */
export function visible(text) {
  return text.replace(HIDDEN, (letter) => `⟨${(letter.codePointAt(0) || 0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

/** @param {string} text @param {RegExp | null} marks @returns {any[]} */
function marked(text, marks) {
  if (!marks) return [text];
  return text.split(marks).map((part, place) => (place % 2 ? html`<mark>${part}</mark>` : part));
}

/** A pattern that finds words to be marked. @param {string[]} terms */
export function finder(terms) {
  if (!terms.length) return null;
  const longestFirst = terms.slice(0, 30).sort((one, other) => other.length - one.length);
  const patterns = longestFirst.map((term) => {
    const escaped = term.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
    // "use" is found in "uses", and not in "because" or "users"; in a script without spaces a word begins anywhere.
    const end = term.length > SHORT ? "" : "(?=s?(?![\\p{L}\\p{N}]))";
    return /^[a-z0-9]/i.test(term) ? `(?<![\\p{L}\\p{N}])${escaped}${end}` : escaped;
  });
  return new RegExp(`(${patterns.join("|")})`, "giu");
}

/** Text with the words that were found marked. @param {{text: string, terms?: string[]}} props */
export function Plain({ text, terms = [] }) {
  return html`${marked(visible(text), finder(terms))}`;
}

/** @param {string} text @param {RegExp | null} marks @returns {any[]} */
function inline(text, marks) {
  const found = [];
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    found.push(...marked(text.slice(from, match.index), marks));
    const [whole, code, strong, soft] = match;
    if (code !== undefined) found.push(html`<code>${marked(code, marks)}</code>`);
    else if (strong !== undefined) found.push(html`<strong>${marked(strong, marks)}</strong>`);
    else found.push(html`<em>${marked(soft, marks)}</em>`);
    from = (match.index || 0) + whole.length;
  }
  return [...found, ...marked(text.slice(from), marks)];
}

/** A text in short, without the signs of Markdown. @param {string} text */
export const gist = (text, longest = 400) => text.slice(0, longest).replace(/^\s{0,3}(#{1,6} +|[-*+] +|> ?|```.*$)/gm, "").replace(/\*\*|`/g, "").trim();

/** @typedef {{kind: "code" | "heading" | "list" | "ordered" | "quote" | "text", lines: string[], level?: number, first?: number}} Block */

/** @param {string} text @returns {Block[]} */
function blocks(text) {
  /** @type {Block[]} */
  const found = [];
  /** @type {Block | null} */
  let open = null;
  let fence = "";
  const begin = (/** @type {Block} */ block) => {
    found.push(block);
    open = block;
  };
  const join = (/** @type {Block["kind"]} */ kind, /** @type {string} */ line, first = 1) => {
    if (open?.kind === kind) open.lines.push(line);
    // (With empty lines between them, each step begins a list: it keeps its number.)
    else begin({ kind, lines: [line], first });
  };
  for (const line of text.split(/\r?\n/)) {
    const edge = /^\s{0,3}(```|~~~)/.exec(line);
    if (fence) {
      if (edge && edge[1] === fence) [fence, open] = ["", null];
      else found[found.length - 1].lines.push(line);
      continue;
    }
    const heading = /^(#{1,6}) +(.+)$/.exec(line);
    const item = /^\s*[-*+] +(.*)$/.exec(line);
    const step = /^\s*(\d{1,9})[.)] +(.*)$/.exec(line);
    if (edge) {
      fence = edge[1];
      begin({ kind: "code", lines: [] });
    } else if (!line.trim()) open = null;
    else if (heading) {
      begin({ kind: "heading", lines: [heading[2]], level: heading[1].length });
      open = null;
    } else if (item) join("list", item[1]);
    else if (step) join("ordered", step[2], Number(step[1]));
    else if (line.startsWith(">")) join("quote", line.replace(/^> ?/, ""));
    else join("text", line);
  }
  return found;
}

/** @param {Block} block @param {RegExp | null} marks */
function drawn(block, marks) {
  const { kind, lines } = block;
  if (kind === "code") return html`<pre tabindex="0"><code>${lines.join("\n")}</code></pre>`;
  if (kind === "heading") return html`<p class="md-heading" data-level=${block.level}>${inline(lines[0], marks)}</p>`;
  if (kind === "list") return html`<ul>${lines.map((line) => html`<li>${inline(line, marks)}</li>`)}</ul>`;
  if (kind === "ordered") return html`<ol start=${block.first}>${lines.map((line) => html`<li>${inline(line, marks)}</li>`)}</ol>`;
  const body = lines.flatMap((line, place) => (place ? ["\n", ...inline(line, marks)] : inline(line, marks)));
  return kind === "quote" ? html`<blockquote>${body}</blockquote>` : html`<p>${body}</p>`;
}

/** @param {{text: string, terms?: string[]}} props */
export function Markdown({ text, terms = [] }) {
  const marks = finder(terms);
  const shown = visible(text.slice(0, LONGEST));
  // Isolated, so that a text that runs from right to left turns nothing around it.
  return html`<div class="md" dir="auto">
    ${blocks(shown).map((block) => drawn(block, marks))}
    ${text.length > LONGEST && html`<p class="quiet">The rest is not shown here: the text has ${text.length} characters.</p>`}
  </div>`;
}
