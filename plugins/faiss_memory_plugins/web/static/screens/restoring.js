// What a restore would change, before it is done.
import { get, post, Refused } from "../api.js";
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

/** What becomes of those that a memory supersedes. */
const BEFORE = { added: "will hold again", changed: "", forgotten: "will be superseded again" };
/** The backups that writes make by themselves: from their log a time is reached, too. */
const isAuto = (/** @type {{name: string}} */ { name }) => name.startsWith("auto_");

/** How far back a time can be gone to, as far as the list of backups tells; none if it does not. @param {{name: string, created_at: string}[]} backups @returns {string | undefined} */
export const reach = (backups) => (backups.some(isAuto) ? backups.filter(isAuto) : backups).map((one) => one.created_at).sort()[0];

/**
 * A backup of the state that is there now, to come back to: the one that the last write has made, or else a new one.
 * @returns {Promise<string>} its name
 */
export async function backupOfNow() {
  const [{ backups }, { last_updated: last }] = await Promise.all([get("/backups"), get("/stats")]);
  const made = backups.filter(isAuto).find((/** @type {any} */ one) => !last || one.created_at >= last);
  if (made) {
    const since = await get("/restore/changes", { backup: made.name, limit: 1 });
    if (!since.added && !since.changed && !since.forgotten) return made.name;
  }
  return (await post("/backup", { label: "The state before a restore" })).backup;
}

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
    ${memory.supersedes && BEFORE[one.kind] && html`<p class="quiet">Memory ${memory.supersedes}, which it supersedes, ${BEFORE[one.kind]}.</p>`}
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

/** @param {{wanted: {backup: string} | {time: string}, reached?: string, settled: () => void}} props `settled` is called when it is known */
function Changes({ wanted, reached, settled }) {
  const { data, error, loading, again } = useLoaded(
    (signal) => get("/restore/changes", { ...wanted, limit: SOME }, signal).catch((failure) => {
      if ("time" in wanted && failure instanceof Refused && failure.status === 404) return { isBeyond: true };
      throw failure;
    }),
    [],
  );
  useEffect(() => void (data && !data.isBeyond && !error && settled()), [loading]);
  if (data?.isBeyond)
    return html`<p role="alert">No backup reaches back to that time, so its state is not known any more. ${reached ? `One can go back to ${exactly(reached, true)}, or choose one of the backups in the list.` : "Choose one of the backups in the list."}</p>`;
  if (error) return html`<${Problem} error=${error} again=${again} />`;
  if (!data) return html`<p class="quiet" role="status">Looking what would change…</p>`;
  const kinds = /** @type {(keyof typeof DONE)[]} */ (Object.keys(DONE));
  const isSame = kinds.every((kind) => !data[kind]);
  return html`<div role="status"><p>Now there are <strong>${counted(data.now, "memory", "memories")}</strong>. Afterwards there will be <strong>${count(data.then)}</strong>.${isSame ? " Nothing would change." : ""}</p></div>
    ${!isSame && kinds.map((kind) => html`<${Kind} key=${kind} kind=${kind} number=${data[kind]} changes=${data.changes.filter((/** @type {Changed} */ one) => one.kind === kind)} />`)}
    ${data.left_out.length > 0 && html`<p class="quiet">${counted(data.left_out.length, "memory", "memories")} cannot be brought back: purged or damaged.</p>`}`;
}

/** Ask before going back. @param {{to: {name?: string, time?: string, created_at?: string}, reached?: string, close: () => void, run: () => Promise<unknown>}} props */
export function AskRestore({ to, reached, close, run }) {
  const [isSettled, setSettled] = useState(false);
  const when = to.time || to.created_at || "";
  return html`<${Confirm} title=${`Go back to ${exactly(when, true)}?`} action="Restore" wait=${!isSettled} close=${close} run=${run}>
    <${Changes} wanted=${to.time ? { time: to.time } : { backup: to.name }} reached=${reached} settled=${() => setSettled(true)} />
    <p>All projects go back. One can come back to the state of now.</p><//>`;
}
