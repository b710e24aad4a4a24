// What is done to memories, and how each of it is undone.
import { ask, can, get, post, Refused } from "./api.js";
import { say } from "./toast.js";
import { counted } from "./words.js";

/** @typedef {import("./api.js").Memory} Memory */

/** What to say of secrets that were masked in what was just kept. @param {{masked?: string[]}} answer */
export const maskedIn = ({ masked = [] }) => (masked.length ? ` Masked, and kept nowhere: ${masked.join(", ")}.` : "");

/** Correct one. @param {number} id @param {Partial<Memory> & {forever?: boolean}} change @returns {Promise<Memory>} as it is now */
export const correct = (id, change) => ask("PATCH", `/memory/${id}`, { body: change });

/** Bring a forgotten memory back. @param {Memory} memory @returns {Promise<number>} its id */
async function bringBack(memory) {
  if (can("POST", "/memory/{id}/restore")) {
    await post(`/memory/${memory.id}/restore`, {});
    return memory.id;
  }
  const { text, source, project, tags, cues, metadata, timestamp, valid_until } = memory;
  return (await post("/memory/add", { text, source, project, tags, cues, metadata, timestamp, valid_until })).id;
}

/** What to say of the memory that one has superseded, once that one is forgotten. @param {Memory} memory */
async function holdingAgain({ supersedes }) {
  const before = supersedes && (await read(supersedes));
  return before && !before.superseded_by ? ` Memory ${before.id}, which it had superseded, holds again.` : "";
}

/**
 * Forget memories, and offer to undo it.
 * @param {Memory[]} memories
 * @param {() => void} [after]
 * @param {(ids: number[]) => void} [undone] is called after an undo, with the ids of what is there again
 */
export async function forget(memories, after, undone = after) {
  await post("/memory/forget", { ids: memories.map((memory) => memory.id) });
  const what = memories.length === 1 ? `Memory ${memories[0].id} is forgotten.${await holdingAgain(memories[0])}` : `${counted(memories.length, "memory", "memories")} are forgotten.`;
  after?.();
  say(what, async () => {
    const back = [];
    for (const memory of memories) back.push(await bringBack(memory));
    undone?.(back);
    const isSame = back.every((id, place) => id === memories[place].id);
    const which = memories.length === 1 ? `Memory ${memories[0].id} is back` : `${counted(memories.length, "memory", "memories")} are back`;
    say(isSame ? `${which}.` : `${which}, as number ${back.join(", ")}.`);
  });
}

/**
 * Change each of some memories; an undo changes them back.
 * @param {Memory[]} memories
 * @param {(memory: Memory) => Partial<Memory>} change
 * @param {(memory: Memory) => Partial<Memory>} before
 * @param {string} done @param {() => void} after
 */
export async function changeEach(memories, change, before, done, after) {
  for (const memory of memories) await correct(memory.id, change(memory));
  after();
  say(done, async () => {
    for (const memory of memories) await correct(memory.id, before(memory));
    after();
    say("As it was before.");
  });
}

const CONFIRM = "/memory/{id}/confirm";
const speaksOfFiles = (/** @type {Memory} */ { metadata }) => Array.isArray(metadata.anchors) && metadata.anchors.length > 0;

/** Whether a person can say that one holds all the same: what was built follows its file. @param {Memory} memory */
export const canStayTrue = (memory) => memory.state === "expired" || ((memory.state === "changed" || memory.state === "gone") && speaksOfFiles(memory) && can("POST", CONFIRM));

/**
 * Say that a memory is still true: the files that it speaks of are taken as they are now, and it is over no more.
 * @param {Memory} memory @param {(now: Memory) => void} after @param {(now: Memory) => void} [undone]
 */
export async function stayTrue(memory, after, undone = after) {
  const hasFiles = speaksOfFiles(memory) && can("POST", CONFIRM);
  after(hasFiles ? await post(`/memory/${memory.id}/confirm`, {}) : await correct(memory.id, { forever: true }));
  const words = hasFiles ? `Memory ${memory.id} is still true, until a file that it speaks of changes again.` : "It is true without an end.";
  say(words, async () => {
    const before = { ...(hasFiles ? { metadata: memory.metadata } : {}), ...(memory.valid_until ? { valid_until: memory.valid_until } : {}) };
    undone(await correct(memory.id, before));
    say("As it was before.");
  });
}

/** Let one stand for another that says the same. @param {Memory} kept @param {Memory} other @param {() => void} undone */
export async function join(kept, other, undone) {
  await post("/memory/merge", { keep: kept.id, ids: [other.id] });
  say(`Memory ${kept.id} stands for ${other.id} as well, with its tags.`, async () => {
    await post("/memory/unmerge", { keep: kept.id, ids: [other.id] });
    undone();
    say("As it was before.");
  });
}

/** Move memories to another project. @param {Memory[]} memories @param {string} project @param {() => void} after */
export async function move(memories, project, after) {
  const ids = memories.map((memory) => memory.id);
  await post("/memory/move", { ids, project });
  after();
  say(`${counted(ids.length, "memory", "memories")} moved to ${project}.`, async () => {
    for (const memory of memories) await post("/memory/move", { ids: [memory.id], project: memory.project });
    after();
  });
}

/** Whether a memory is shown at the beginning of every session. @param {Memory} memory @param {boolean} pinned */
export async function pin(memory, pinned) {
  await post("/recall/pin", { id: memory.id, pinned });
  say(pinned ? "Pinned: shown whenever a session of its project begins." : "No longer pinned.", () => post("/recall/pin", { id: memory.id, pinned: !pinned }));
}

/** Whether a memory may be shown for prompts like this one. @param {number} id @param {string} prompt @param {boolean} may */
export async function allow(id, prompt, may) {
  const tell = (/** @type {boolean} */ forget) => post("/recall/never", { id, prompt, forget });
  await tell(may);
  say(may ? `Memory ${id} may be shown again for prompts like this.` : `Memory ${id} is not shown any more for prompts like this.`, () => tell(!may));
}

/** Read one; null if it is gone. @param {number | string} id @param {AbortSignal} [signal] @returns {Promise<Memory | null>} */
export async function read(id, signal) {
  try {
    return await get(`/memory/${id}`, {}, signal);
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return null;
    throw error;
  }
}
