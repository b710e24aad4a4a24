// What is done to memories, and how each of it is undone.
import { ask, can, get, post, Refused } from "./api.js";
import { say } from "./toast.js";
import { counted } from "./words.js";

/** @typedef {import("./api.js").Memory} Memory */

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

/**
 * Forget memories, and offer to undo it.
 * @param {Memory[]} memories
 * @param {() => void} [after] is also called after an undo, unless `undone` is
 */
export async function forget(memories, after, undone = after) {
  await post("/memory/forget", { ids: memories.map((memory) => memory.id) });
  const what = memories.length === 1 ? `Memory ${memories[0].id} is forgotten.` : `${counted(memories.length, "memory", "memories")} are forgotten.`;
  after?.();
  say(what, async () => {
    const back = [];
    for (const memory of memories) back.push(await bringBack(memory));
    undone?.();
    const isSame = back.every((id, place) => id === memories[place].id);
    say(isSame ? "Back again." : `Back again, as number ${back.join(", ")}.`);
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
