// A bundle of ours (JSON lines): reading it, hearing what would become of its memories, and doing exactly that.
import { post, Refused } from "./api.js";

/** @typedef {{uid: string, state?: string, superseded_by?: string | null, [field: string]: any}} Line */
/** @typedef {{counts: Record<string, number>, refused: Record<string, number>, left: {name: string, reason: string}[], masked: Record<string, number>}} Report */
/** @typedef {{line: Line, outcome?: string}} Step what would become of a line; without an outcome whatever comes of it */
/** @typedef {(done: number, total: number) => void} Tell */

const VERSION = 1;
const AT_ONCE = 100;
export const MOST_BYTES = 200 * 1024 * 1024;
/** What a refusal because of a memory itself answers. */
const FOR_WHAT_IT_SAYS = [400, 413, 422];
/** Outcomes by which something is written. */
const WRITTEN = ["new", "changed", "back", "forget", "purge", "noted"];
/** Outcomes of what does not arrive, so that it replaces nothing. */
const STAYS_AWAY = ["refused", "superseded"];

/** @param {string} text @returns {any} undefined where it is no JSON */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What a file begins with that is a bundle. @param {Blob} file */
export async function isBundle(file) {
  const head = parsed((await file.slice(0, 1000).text()).split("\n")[0].replace(/^\ufeff/, ""));
  return head?.format === "faiss-memory" && !("memories" in head);
}

/** Read its lines, and name those that are none. @param {Blob} file @returns {Promise<{lines: Line[], report: Report}>} */
export async function readBundle(file) {
  const [head, ...rest] = (await file.text()).replace(/^\ufeff/, "").split("\n");
  const { version } = parsed(head);
  if (version !== VERSION) throw new Error(`The file is of version ${JSON.stringify(version)}, and this page reads ${VERSION}: update the service.`);
  const report = empty();
  /** @type {Line[]} */
  const lines = [];
  rest.forEach((written, place) => {
    if (!written.trim()) return;
    const line = parsed(written);
    if (typeof line?.uid === "string") lines.push(line);
    else leave(report, `line ${place + 2}`, "it is no memory: it is damaged, or has no uid");
  });
  return { lines: inTurn(lines), report };
}

/** @returns {Report} */
const empty = () => ({ counts: {}, refused: {}, left: [], masked: {} });

/** @param {Report} report @param {string} name @param {string} reason */
function leave(report, name, reason) {
  report.left.push({ name, reason });
  report.counts["left out"] = (report.counts["left out"] || 0) + 1;
}

/**
 * What was replaced follows what replaces it, so that it does not count again for a moment; what was purged comes last,
 * because that takes long.
 * @param {Line[]} lines
 */
function inTurn(lines) {
  const gone = lines.filter((line) => line.state === "purged");
  const sorted = [];
  let waiting = lines.filter((line) => line.state !== "purged");
  while (waiting.length) {
    const uids = new Set(waiting.map((line) => line.uid));
    const free = waiting.filter((line) => !line.superseded_by || !uids.has(line.superseded_by));
    const ready = free.length ? free : waiting; // else it is a circle
    const sent = new Set(ready);
    sorted.push(...ready);
    waiting = waiting.filter((line) => !sent.has(line));
  }
  return [...sorted, ...gone];
}

/** Hear what would become of each line; nothing is stored. @param {Line[]} lines @param {Report} before @param {Tell} tell */
export async function previewed(lines, before, tell) {
  const report = { ...before, counts: { ...before.counts }, refused: {}, left: [...before.left], masked: {} };
  const met = new Set();
  const coming = new Set(lines.map((line) => line.uid));
  /** @type {Step[]} */
  const plan = [];
  for (let start = 0; start < lines.length; start += AT_ONCE) {
    const batch = lines.slice(start, start + AT_ONCE);
    const together = new Set(batch.map((line) => line.uid));
    // What replaces a memory is looked for there only where it is not on its way.
    const isComing = (/** @type {Line} */ { superseded_by: newer }) => newer && coming.has(newer) && !together.has(newer);
    const steps = batch.map((line) => ({ line: isComing(line) ? { ...line, superseded_by: null } : line }));
    const told = await send(steps, report, true);
    const taken = new Set(told.filter(({ outcome }) => !STAYS_AWAY.includes(outcome || "")).map(({ line }) => line.uid));
    for (const uid of together) if (!taken.has(uid)) coming.delete(uid);
    for (const { line, outcome } of told) {
      // What a line comes to whose memory was met before hangs on what is stored of it then.
      plan.push({ line, outcome: met.has(line.uid) ? undefined : outcome });
      met.add(line.uid);
    }
    tell(Math.min(lines.length, start + AT_ONCE), lines.length);
  }
  return { plan, report, writes: WRITTEN.reduce((sum, one) => sum + (report.counts[one] || 0), 0) };
}

/** Do exactly what was previewed. What is not so any more stops it. @param {Step[]} plan @param {Tell} tell */
export async function applied(plan, tell) {
  const report = empty();
  for (let start = 0; start < plan.length; start += AT_ONCE) {
    await send(plan.slice(start, start + AT_ONCE), report, false);
    tell(Math.min(plan.length, start + AT_ONCE), plan.length);
  }
  return report;
}

/**
 * Send some, and what was refused together by halves, down to the memory that cannot be stored.
 * @param {Step[]} steps @param {Report} report @param {boolean} dryRun @returns {Promise<Step[]>}
 */
async function send(steps, report, dryRun) {
  let answer;
  try {
    answer = await post("/import", { memories: steps.map(({ line, outcome }) => ({ ...line, expected: outcome })), dry_run: dryRun });
  } catch (error) {
    if (!(error instanceof Refused) || !FOR_WHAT_IT_SAYS.includes(error.status)) throw error;
    if (steps.length === 1) {
      leave(report, steps[0].line.uid, error.message.replaceAll("memories[0].", ""));
      return [];
    }
    const half = steps.length >> 1;
    return [...await send(steps.slice(0, half), report, dryRun), ...await send(steps.slice(half), report, dryRun)];
  }
  for (const [outcome, number] of Object.entries(answer.counts)) report.counts[outcome] = (report.counts[outcome] || 0) + Number(number);
  for (const { project, can, memories } of answer.refused || []) {
    const lacking = `Refused: the right “${can}” is lacking in ${project === "*" ? "every project" : project}`;
    report.refused[lacking] = (report.refused[lacking] || 0) + memories;
  }
  for (const [kind, number] of Object.entries(answer.masked_counts || {})) report.masked[kind] = (report.masked[kind] || 0) + Number(number);
  for (const { uid, reason, outcome } of answer.results) {
    if (reason && !(dryRun && outcome === "new")) report.left.push({ name: uid, reason });
  }
  return steps.map(({ line }, place) => ({ line, outcome: answer.results[place].outcome }));
}
