// What is worth a look: decided one by one, each of it with a way back.
import { canStayTrue, forget, join, stayTrue } from "../actions.js";
import { href } from "../address.js";
import { can, get } from "../api.js";
import { WordDiff } from "../diff.js";
import { useLoaded } from "../fresh.js";
import { useKeys } from "../keys.js";
import { html, useState } from "../lib.js";
import { Markdown } from "../markdown.js";
import { Empty, Problem, Screen, When } from "../parts.js";
import { attempt } from "../toast.js";
import { count, until, writer } from "../words.js";

/** @typedef {import("../api.js").Memory} Memory */
/** @typedef {{key: string, why: string, memories: Memory[]}} Matter */

const PAGE = 1000;
const SECRET = /(-----BEGIN [A-Z ]*PRIVATE KEY)|\b(AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.)|\b(password|passwd|secret|api[_-]?key|token)\s*[:=]\s*\S{6,}/i;

/** All memories that were written since a time. @param {Record<string, any>} query @param {AbortSignal} signal @returns {Promise<Memory[]>} */
async function all(query, signal) {
  const found = [];
  let cursor;
  do {
    const answer = await get("/memories", { project: "*", limit: PAGE, cursor, ...query }, signal);
    found.push(...answer.memories);
    cursor = answer.next_cursor;
  } while (cursor && found.length < 10 * PAGE);
  return found;
}

/** @type {Record<string, {title: string, lead: string, isThere: () => boolean, load: (signal: AbortSignal) => Promise<Matter[]>}>} */
const QUEUES = {
  assistants: {
    title: "Written by assistants this week", lead: "What assistants have written in the last seven days.", isThere: () => true,
    load: async (signal) => (await all({ after: new Date(Date.now() - 7 * 86_400_000).toISOString(), by: ["mcp:*", "hook"] }, signal))
      .map((one) => ({ key: String(one.id), why: `Written by ${writer(one.by)}`, memories: [one] })),
  },
  duplicates: {
    title: "Near twins", lead: "Two that say nearly the same, side by side.", isThere: () => can("GET", "/duplicates"),
    load: async (signal) => {
      const pairs = [];
      let cursor;
      do {
        const answer = await get("/duplicates", { project: "*", limit: 100, cursor }, signal);
        pairs.push(...answer.pairs);
        cursor = answer.next_cursor;
      } while (cursor && pairs.length < 100);
      return pairs.map((/** @type {any} */ pair) => ({
        key: `${pair.one.id}-${pair.other.id}`, memories: [pair.one, pair.other],
        why: pair.class === "identical" ? "They say the same" : pair.differs_in?.length ? `What tells them apart: ${[pair.differs_in].flat().join("; ")}` : "They are similar",
      }));
    },
  },
  superseded: {
    title: "Superseded", lead: "What a newer one supersedes. Searches leave the older ones out.", isThere: () => true,
    load: async (signal) => (await all({ include_superseded: true }, signal)).filter((one) => one.superseded_by)
      .map((one) => ({ key: String(one.id), why: `Memory ${one.superseded_by} supersedes it`, memories: [one] })),
  },
  stale: {
    title: "Stale", lead: "From files that are gone or say something else by now, what is over, and what nothing has found in 90 days. A build brings files up to date.", isThere: () => can("GET", "/review/stale"),
    load: async (signal) => {
      const told = await get("/review/stale", { project: "*" }, signal);
      const over = new Set((told.expired || []).map((/** @type {Memory} */ one) => one.id));
      return [
        ...told.files.map((/** @type {any} */ one) => ({ key: `file-${one.memory.id}`, memories: [{ ...one.memory, state: one.reason }], why: `${one.why[0].toUpperCase()}${one.why.slice(1)}: ${one.file}` })),
        ...(told.expired || []).map((/** @type {Memory} */ one) => ({ key: `over-${one.id}`, memories: [{ ...one, state: "expired" }], why: `It was true ${until(one.valid_until || "")}` })),
        ...told.never_recalled.filter((/** @type {Memory} */ one) => !over.has(one.id)).map((/** @type {Memory} */ one) => ({ key: `never-${one.id}`, memories: [one], why: "Nothing has found it in 90 days" })),
      ];
    },
  },
  secrets: {
    title: "Possible secrets", lead: "Texts that look as if they hold a password or a key. The look is taken in this page.", isThere: () => true,
    load: async (signal) => (await all({}, signal)).filter((one) => SECRET.test(one.text.slice(0, 100_000)))
      .map((one) => ({ key: String(one.id), why: "It may hold a secret; a purge takes it out of every file", memories: [one] })),
  },
};

/** @param {{params: Record<string, string>}} props */
export function Review({ params }) {
  const name = QUEUES[params.queue] ? params.queue : "assistants";
  const queue = QUEUES[name];
  const { data, error, loading, again } = useLoaded((signal) => queue.load(signal), [name]);
  const [settled, setSettled] = useState(/** @type {string[]} */ ([]));
  const [gone, setGone] = useState(/** @type {number[]} */ ([]));
  // (A memory may belong to several matters: with it, all of them are done.)
  const left = (data || []).filter((one) => !settled.includes(`${name} ${one.key}`) && !one.memories.some((memory) => gone.includes(memory.id)));
  const matter = left[0];
  const settle = () => matter && setSettled((before) => [...before, `${name} ${matter.key}`]);
  /** Take one out of what is left, until that is undone. @param {Memory | undefined} memory @param {(memory: Memory, undone: () => void) => Promise<void>} run */
  const without = (memory, run) => {
    if (!memory) return;
    const back = () => setGone((before) => before.filter((one) => one !== memory.id));
    setGone((before) => [...before, memory.id]);
    attempt(() => run(memory, back)).then((isDone) => isDone || back());
  };
  const drop = (/** @type {number} */ which) => without(matter?.memories[which], (memory, undone) => forget([memory], undefined, undone));
  const keepOne = (/** @type {number} */ which) => without(matter?.memories[1 - which], (other, undone) => join(matter.memories[which], other, undone));
  const isStillTrue = () => without(matter?.memories[0], (memory, undone) => stayTrue(memory, () => {}, undone));
  const asksWhether = matter?.memories.length === 1 && canStayTrue(matter.memories[0]);
  const canJoin = can("POST", "/memory/merge");
  const isPair = matter?.memories.length === 2;
  useKeys([
    { keys: "y", does: "Keep, and go on", run: settle },
    { keys: isPair ? "1" : "#", does: isPair ? "Forget the first" : "Forget, and go on", run: () => drop(0) },
    ...(isPair ? [{ keys: "2", does: "Forget the second", run: () => drop(1) }] : []),
    ...(isPair && canJoin ? [{ keys: "m", does: "Keep the newer one, supersede the other", run: () => keepOne(0) }] : []),
    ...(asksWhether ? [{ keys: "t", does: "Still true, and go on", run: isStillTrue }] : []),
    { keys: "b", does: "Back to the one before", run: () => setSettled((before) => before.slice(0, -1)) },
  ]);
  return html`<${Screen} title="Review" lead="One by one: keep it, correct it, or forget it. Every step can be undone.">
    <nav class="tabs" aria-label="What to review"><ul role="list">${Object.entries(QUEUES).filter(([, one]) => one.isThere()).map(([key, one]) => html`
      <li><a href=${href("review", { queue: key })} aria-current=${key === name ? "page" : undefined}>${one.title}</a></li>`)}</ul></nav>
    <p class="quiet">${queue.lead}</p>
    <${Problem} error=${error} again=${again} />
    <p role="status">${loading ? "Looking…" : left.length ? `${count(left.length)} left` : ""}</p>
    ${!loading && !matter && !error && html`<${Empty} title="Nothing to decide here."><p>${settled.length ? "All of it is looked through." : "Come back when there is more."}</p><//>`}
    ${matter && html`<article class="card matter" aria-label=${matter.why} key=${matter.key}>
      <h2 class="badge" tabindex="-1" data-landing>${matter.why}</h2>
      <div class=${isPair ? "pair" : ""}>${matter.memories.map((one, which) => html`<section aria-label=${`Memory ${one.id}`}>
        <p class="quiet"><a href=${href("memories", { id: one.id, state: "all" })}>Memory ${one.id}</a> · ${one.project} · <${When} time=${one.timestamp} /> · by ${writer(one.by)}</p>
        <${Markdown} text=${one.text} />
        <div class="row">${isPair && canJoin && html`<button type="button" title="The other one stays as history, and its tags come along" onClick=${() => keepOne(which)}>Keep this, supersede the other${which ? "" : html` <kbd>m</kbd>`}</button>`}
          <button type="button" onClick=${() => drop(which)}>Forget <kbd>${isPair ? which + 1 : "#"}</kbd></button>
          <a class="button" href=${href("memories", { id: one.id, edit: "correct", state: "all" })}>Correct</a></div>
      </section>`)}</div>
      ${isPair && html`<h3>What differs</h3><${WordDiff} before=${matter.memories[0].text} after=${matter.memories[1].text} />`}
      <div class="row end"><button type="button" onClick=${() => setSettled((before) => before.slice(0, -1))} disabled=${!settled.length}>Back <kbd>b</kbd></button>
        ${asksWhether && html`<button type="button" title="It is not asked about again until that changes" onClick=${isStillTrue}>Still true <kbd>t</kbd></button>`}
        <button type="button" class="main" title=${asksWhether ? "Leave it as it is; it is asked about again" : undefined} onClick=${settle}>${asksWhether ? "Decide later" : isPair ? "Keep both" : "Keep it"} <kbd>y</kbd></button></div>
    </article>`}
  <//>`;
}
