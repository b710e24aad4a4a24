// One memory: what it says, where it comes from, and what can be done with it.
import { canStayTrue, forget, pin, read, stayTrue } from "../actions.js";
import { change, href } from "../address.js";
import { can, post } from "../api.js";
import { draftsFor, keepDraft } from "../drafts.js";
import { useLoaded } from "../fresh.js";
import { useKeys } from "../keys.js";
import { html, useEffect, useRef, useState } from "../lib.js";
import { Markdown, Plain, visible } from "../markdown.js";
import { Confirm, Problem, When } from "../parts.js";
import { attempt, say } from "../toast.js";
import { brief, exactly, likely, percent, telling, until, writer } from "../words.js";
import { About } from "./about.js";
import { Edit } from "./edit.js";

/** Why a memory does not hold any more. @type {Record<string, (memory: import("../api.js").Memory) => string>} */
const UNTRUE = {
  expired: (memory) => `It was true ${until(memory.valid_until || "")}.`,
  changed: () => "The file that it is about says something else now.",
  gone: () => "The file that it is about is gone.",
};

/** @typedef {import("../api.js").Found} Found */
/** @typedef {import("../api.js").Memory} Memory */

/** What of it fits the question, and how well. @param {{found: Found, marks: string[]}} props */
function Why({ found, marks }) {
  const { evidence, why = {} } = found;
  const words = telling(why.words || []);
  const passage = why.passage?.text || found.passage?.text;
  return html`<section class="why" aria-label="Why it matched">
    <h3>Why it matched</h3>
    <dl class="facts">
      <dt>Likely to answer</dt><dd>${likely(found.relevance || 0)}</dd>
      <dt>Close in meaning</dt><dd>${found.similarity === null || found.similarity === undefined ? "not known" : percent(Math.max(0, found.similarity))}</dd>
      ${words.length ? html`<dt>Words in common</dt><dd>${words.join(", ")}</dd>` : evidence && html`<dt>Words in common</dt><dd>${percent(evidence.words)} of what the question says</dd>`}
      ${found.matched && html`<dt>Nearest part</dt><dd>${found.matched === "cue" ? `a cue${why.cue ? `: ${why.cue}` : ""}` : "its text"}</dd>`}
      ${evidence && evidence.generic > 0.5 && html`<dt>The question</dt><dd>is much like what is asked anywhere, so it counts for less</dd>`}
    </dl>
    ${passage && html`<blockquote><${Plain} text=${passage} terms=${marks} /></blockquote>`}
  </section>`;
}

/** @param {{memory: Memory}} props */
function Facts({ memory }) {
  const metadata = Object.entries(memory.metadata);
  return html`<dl class="facts">
    <dt>Project</dt><dd><a href=${href("memories", { project: memory.project })}>${memory.project}</a></dd>
    <dt>When</dt><dd>${exactly(memory.timestamp)}</dd>
    ${memory.valid_until && html`<dt>True</dt><dd>${until(memory.valid_until)}${memory.state === "expired" ? html` <span class="badge">over</span>` : ""}</dd>`}
    <dt>Written by</dt><dd>${memory.actor ? html`${memory.actor}, by ${writer(memory.by)}` : writer(memory.by)}</dd>
    ${memory.source && html`<dt>Source</dt><dd><a href=${href("memories", { source: memory.source })} title=${visible(memory.source)}>${visible(brief(memory.source, 60))}</a></dd>`}
    ${memory.cues.length > 0 && html`<dt>Comes up for</dt><dd><ul class="cues">${memory.cues.map((cue) => html`<li><${Plain} text=${cue} /></li>`)}</ul></dd>`}
    ${metadata.map(([name, value]) => html`<dt><${Plain} text=${name} /></dt><dd><code><${Plain} text=${typeof value === "string" ? value : JSON.stringify(value)} /></code></dd>`)}
    <dt>Number</dt><dd>${memory.id}</dd>
  </dl>`;
}

/** What was typed about it and not saved. @param {{id: number, kind: string}} props */
function Unsaved({ id, kind }) {
  const [isDropped, setDropped] = useState(false);
  const drop = () => {
    keepDraft(`${kind} ${id}`);
    setDropped(true);
  };
  if (isDropped) return null;
  return html`<p class="note">There is a draft of ${kind === "correct" ? "a correction" : "what supersedes it"}, not saved.
    <button type="button" class="small" onClick=${() => change({ edit: kind })}>Go on with it</button> <button type="button" class="small" onClick=${drop}>Drop it</button></p>`;
}

/** @param {{id: string, found?: Found, marks: string[], query: string, isEditing: string, changed: () => void, gone: (ids: number[]) => void, back: (ids: number[]) => void}} props */
export function OneMemory({ id, found, marks, isEditing, changed, gone, back }) {
  const { data, error, loading, again, put } = useLoaded((signal) => read(id, signal), [id]);
  const [purging, setPurging] = useState(false);
  const [isRaw, setRaw] = useState(false);
  const heading = useRef(/** @type {HTMLElement | null} */ (null));
  const memory = data || (loading ? found : null) || null;
  const isPinned = memory?.tags.includes("pinned");
  const canPin = can("POST", "/recall/pin");
  const forgetThis = () => memory && attempt(() => forget([memory], () => gone([memory.id]), back));
  const purge = async () => {
    const { proof } = await post("/memory/purge", { ids: [Number(id)], proof: true });
    gone([Number(id)]);
    say(proof.found.length ? `Purged, but parts of its text are still in ${proof.found.join(", ")}.` : `Purged. ${proof.files_searched} files were searched for its text: nothing is left.`);
  };
  const turnPin = () => memory && attempt(async () => {
    await pin(memory, !isPinned);
    again();
    changed();
  });
  const holds = () => memory && attempt(() => stayTrue(memory, (now) => {
    put(now);
    changed();
  }));
  useKeys([
    { keys: "Enter", does: "Read the memory", run: () => heading.current?.focus() },
    { keys: "e", does: "Correct", run: () => change({ edit: "correct" }) },
    { keys: "s", does: "Supersede", run: () => change({ edit: "supersede" }) },
    ...(canPin ? [{ keys: "p", does: "Pin, or no more", run: () => void turnPin() }] : []),
  ]);
  const before = useRef(isEditing);
  useEffect(() => {
    if (before.current && !isEditing) heading.current?.focus();
    before.current = isEditing;
  }, [isEditing]);
  // What is there stays there while the service is away, and with it what somebody types.
  if (error && !memory) return html`<${Problem} error=${error} again=${again} />`;
  if (!memory) return loading ? html`<p class="quiet pad">Loading…</p>` : html`<div class="empty"><p class="empty-title">Memory ${id} is not there.</p><p>It was forgotten, or never existed.</p>
    <p><a href=${href("memories")}>All memories</a>${can("GET", "/forgotten") && html` · <a href=${href("backups", { part: "forgotten" })}>What was forgotten, and can come back</a>`}</p></div>`;
  const done = (/** @type {Memory | undefined} */ saved) => {
    change({ edit: undefined }, true);
    if (saved) put(saved);
    changed();
  };
  return html`<article class="memory" aria-labelledby="memory-title">
    <header class="memory-head">
      <button type="button" class="back" onClick=${() => change({ id: undefined, edit: undefined })}>← List</button>
      <h2 id="memory-title" tabindex="-1" ref=${heading}>${isEditing === "supersede" ? "Supersede memory" : isEditing ? "Correct memory" : "Memory"} ${memory.id}</h2>
      <span class="quiet"><${When} time=${memory.timestamp} /></span>
      ${!isEditing && html`<button type="button" class="plain danger-text" title="Take it out of every file, for good" onClick=${() => setPurging(true)}>Purge…</button>`}
    </header>
    ${memory.superseded_by && html`<p class="note">A newer one supersedes it: <a href=${href("memories", { id: memory.superseded_by, state: "all" })}>memory ${memory.superseded_by}</a>. Searches leave it out.</p>`}
    ${UNTRUE[memory.state || ""] && html`<p class="note">${UNTRUE[memory.state || ""](memory)} Assistants are not shown it unasked. ${canStayTrue(memory) && html`<button type="button" class="small" onClick=${holds}>It is still true</button>`}</p>`}
    ${!isEditing && draftsFor(memory.id).map((kind) => html`<${Unsaved} key=${kind} id=${memory.id} kind=${kind} />`)}
    ${isEditing && data
      ? html`<${Edit} key=${isEditing} memory=${data} kind=${isEditing} close=${() => change({ edit: undefined })} done=${done} changed=${changed} />`
      : html`<div class="row actions" role="toolbar" aria-label="What to do with it">
          <button type="button" onClick=${() => change({ edit: "correct" })} title="Change what it says; it stays the same memory">Correct <kbd>e</kbd></button>
          <button type="button" onClick=${() => change({ edit: "supersede" })} title="Write a new one that supersedes it; this one is kept as history">Supersede <kbd>s</kbd></button>
          ${canPin && html`<button type="button" aria-pressed=${Boolean(isPinned)} onClick=${turnPin} title="Show it whenever a session of its project begins">${isPinned ? "Pinned" : "Pin"} <kbd>p</kbd></button>`}
          <button type="button" onClick=${forgetThis}>Forget <kbd>#</kbd></button>
        </div>
        ${isRaw ? html`<pre class="raw" dir="auto" tabindex="0">${visible(memory.text)}</pre>` : html`<${Markdown} text=${memory.text} terms=${marks} />`}
        <div class="row"><button type="button" class="plain small" aria-pressed=${isRaw} onClick=${() => setRaw(!isRaw)}>As it is written</button>
          <span class="tags">${memory.tags.map((tag) => html`<a class="tag" href=${href("memories", { tag })}><${Plain} text=${tag} /></a>`)}</span></div>
        ${found?.relevance !== undefined && html`<${Why} found=${found} marks=${marks} />`}
        <section aria-label="About it"><h3>About it</h3><${Facts} memory=${memory} /></section>
        <${About} memory=${memory} />`}
    ${purging && html`<${Confirm} title=${`Purge memory ${memory.id}?`} action="Purge" word="purge" close=${() => setPurging(false)} run=${purge}>
      <p>It leaves every file: the records, the log and all backups. There is no way back.</p>
      <p>To be able to undo it, <strong>forget</strong> it instead.</p><//>`}
  </article>`;
}
