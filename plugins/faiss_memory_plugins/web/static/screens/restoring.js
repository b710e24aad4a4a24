// What a restore would change, before it is done.
import { get } from "../api.js";
import { WordDiff } from "../diff.js";
import { useLoaded } from "../fresh.js";
import { html, useEffect, useState } from "../lib.js";
import { gist, Plain } from "../markdown.js";
import { Confirm, Problem } from "../parts.js";
import { count, counted, exactly } from "../words.js";

const SOME = 20;
/** What a restore does with what happened since. */
const DONE = {
  added: { title: "Added since", does: "will be gone" },
  changed: { title: "Changed since", does: "will be as it was" },
  forgotten: { title: "Forgotten since", does: "will be back" },
};
const FIELDS = ["project", "source", "tags", "cues", "metadata", "timestamp", "valid_until", "supersedes"];

/** @typedef {{kind: keyof typeof DONE, now: any, then: any}} Changed */

/** What of a memory differs beside its text. @param {any} now @param {any} then */
const differing = (now, then) => FIELDS.filter((name) => JSON.stringify(now[name]) !== JSON.stringify(then[name]));

/** @param {{one: Changed}} props */
function OneChange({ one }) {
  const memory = one.now || one.then;
  const fields = one.kind === "changed" ? differing(one.now, one.then) : [];
  return html`<li class="candidate"><p class="row-facts"><span>Memory ${memory.id}</span><span>${memory.project}</span></p>
    ${one.kind === "changed" && one.now.text !== one.then.text
      ? html`<${WordDiff} before=${one.now.text} after=${one.then.text} />`
      : html`<p class="two-lines"><${Plain} text=${gist(memory.text, 300)} /></p>`}
    ${fields.length > 0 && html`<p class="quiet">Also: ${fields.join(", ")}</p>`}</li>`;
}

/** @param {{kind: keyof typeof DONE, number: number, changes: Changed[]}} props */
function Kind({ kind, number, changes }) {
  const { title, does } = DONE[kind];
  if (!number) return html`<p>${title}: none</p>`;
  return html`<details class="change-kind"><summary>${title}: <strong>${counted(number, "memory", "memories")}</strong> ${does}</summary>
    <ul role="list">${changes.map((one) => html`<${OneChange} key=${(one.now || one.then).id} one=${one} />`)}</ul>
    ${changes.length < number && html`<p class="quiet">The latest ${count(changes.length)} are shown.</p>`}</details>`;
}

/** @param {{wanted: {backup: string} | {time: string}, settled: () => void}} props `settled` is called when it is known, or cannot be */
function Changes({ wanted, settled }) {
  const { data, error, loading, again } = useLoaded((signal) => get("/restore/changes", { ...wanted, limit: SOME }, signal), []);
  useEffect(() => void (loading || settled()), [loading]);
  if (error) return html`<${Problem} error=${error} again=${again} />`;
  if (!data) return html`<p class="quiet" role="status">Looking what would change…</p>`;
  const kinds = /** @type {(keyof typeof DONE)[]} */ (Object.keys(DONE));
  const isSame = kinds.every((kind) => !data[kind]);
  return html`<div role="status"><p>Now there are <strong>${counted(data.now, "memory", "memories")}</strong>. Afterwards there will be <strong>${count(data.then)}</strong>.${isSame ? " Nothing would change." : ""}</p></div>
    ${!isSame && kinds.map((kind) => html`<${Kind} key=${kind} kind=${kind} number=${data[kind]} changes=${data.changes.filter((/** @type {Changed} */ one) => one.kind === kind)} />`)}
    ${data.left_out.length > 0 && html`<p class="quiet">${counted(data.left_out.length, "memory", "memories")} cannot be brought back: purged or damaged.</p>`}`;
}

/** Ask before going back. @param {{to: {name?: string, time?: string, created_at?: string}, close: () => void, run: () => Promise<unknown>}} props */
export function AskRestore({ to, close, run }) {
  const [isSettled, setSettled] = useState(false);
  const when = to.time || to.created_at || "";
  return html`<${Confirm} title=${`Go back to ${exactly(when)}?`} action="Restore" wait=${!isSettled} close=${close} run=${run}>
    <${Changes} wanted=${to.time ? { time: to.time } : { backup: to.name }} settled=${() => setSettled(true)} />
    <p>All projects go back. The state before is set aside in the data folder, so that it is not lost.</p><//>`;
}
