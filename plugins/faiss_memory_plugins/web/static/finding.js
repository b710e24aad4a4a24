// What the list shows: all memories by time, or what a question finds, as it is typed.
import { askEarly, can, get, learnt, post, told } from "./api.js";
import { useEffect, useLayoutEffect, useRef, useState } from "./lib.js";

/** @typedef {import("./api.js").Found} Found */

const PAUSE_MS = 120;
/** So many come first, which fill any screen; what follows comes in larger pages. */
const FIRST_PAGE = 60;
const PAGE = 200;
/** So many a question finds at most: the nearest, of all that it might. */
export const MOST_FOUND = 50;

/** From which relevance on assistants are shown a memory, until it is known how that is set. */
const USUAL_BAR = 0.2;
/** @type {Promise<number> | undefined} */
let setBar;

/** Learn from which relevance on assistants are shown a memory; who may not see settings goes by the usual one. */
async function learnBar() {
  await learnt;
  if (!can("GET", "/overview")) return USUAL_BAR;
  const { settings } = await get("/overview");
  return settings.find((/** @type {any} */ one) => one.key === "min_relevance")?.value ?? USUAL_BAR;
}

/** The least relevance, as it is set. @param {boolean} isWanted */
export function useBar(isWanted) {
  const [bar, setIt] = useState(USUAL_BAR);
  useEffect(() => void (isWanted && (setBar ||= learnBar()).then(setIt, () => (setBar = undefined))), [isWanted]);
  return bar;
}

/** Whether a memory answers a question: it is likely to, or it holds all of its words. @param {Found} one @param {number} bar */
export const answers = (one, bar) => (one.relevance ?? 1) >= bar || (one.evidence?.words ?? 0) > 0.99;

/** The beginning of the time that is meant. @param {string} days */
export function since(days) {
  return days ? new Date(Date.now() - Number(days) * 86_400_000).toISOString() : undefined;
}

/** @param {Record<string, string>} params @param {AbortSignal} signal */
async function search(params, signal) {
  const { q, project, tag, source, days, state, by } = params;
  const asked = {
    query: q, k: MOST_FOUND, project: project || "*", explain: true, after: since(days),
    tags: tag ? [tag] : undefined, source: source || undefined, include_superseded: state === "all" || undefined,
    by: by ? [by] : undefined, expired: state === "expired" || undefined,
  };
  const answer = await post("/search", asked, signal);
  return { items: answer.results, next: null, took: answer.took_ms, hint: answer.hint || "", degraded: answer.degraded || [] };
}

/** What is asked for a page of the list. @param {Record<string, string>} params @param {string} [cursor] */
function asking(params, cursor) {
  const { project, tag, source, days, state, by } = params;
  return {
    project: project || "*", tag, source, after: since(days), limit: cursor ? PAGE : FIRST_PAGE, cursor,
    include_superseded: state === "all" ? true : undefined,
    by: by || undefined, expired: state === "expired" || undefined,
  };
}

/** Ask for what the list begins with, before it is drawn. @param {Record<string, string>} params of the address */
export function findEarly(params) {
  // (A time that is counted from now is another one by then.)
  if (!params.q?.trim() && !params.days) askEarly("/memories", asking(params));
}

/** @param {Record<string, string>} params @param {AbortSignal} signal @param {string} [cursor] */
async function list(params, signal, cursor) {
  const answer = await get("/memories", asking(params, cursor), signal);
  return { items: answer.memories, next: answer.next_cursor, took: null, hint: answer.hint || "", degraded: [] };
}

/** What an answer is the answer to. @param {Record<string, string>} params of the address */
export const asks = ({ id, edit, ...chosen }) => JSON.stringify(chosen);

const NOTHING = { asked: "", items: /** @type {Found[]} */ ([]), next: /** @type {string | null} */ (null), took: /** @type {number | null} */ (null), hint: "", degraded: /** @type {string[]} */ ([]) };

/** @param {Record<string, string>} params of the address */
export function useFound(params) {
  const { id, edit, ...chosen } = params;
  const key = asks(params);
  const [found, setFound] = useState(NOTHING);
  const [error, setError] = useState("");
  const [loading, setLoading] = useState(true);
  const [round, setRound] = useState(0);
  const asked = useRef({ key: "", query: "", loadingMore: false });
  // (What is there already is shown with the first frame.)
  useLayoutEffect(() => {
    const aborting = new AbortController();
    const isTyped = asked.current.key !== "" && asked.current.query !== (chosen.q || "");
    asked.current = { key, query: chosen.q || "", loadingMore: false };
    setLoading(true);
    const load = async () => {
      try {
        const answer = await (chosen.q?.trim() ? search(chosen, aborting.signal) : list(chosen, aborting.signal));
        if (aborting.signal.aborted) return;
        setFound({ ...answer, asked: key });
        setError("");
      } catch (failure) {
        if (aborting.signal.aborted) return;
        setError(told(failure));
      }
      setLoading(false);
    };
    const timer = isTyped ? setTimeout(load, PAUSE_MS) : void load();
    return () => {
      clearTimeout(timer);
      aborting.abort();
    };
  }, [key, round]);
  const more = async () => {
    if (!found.next || asked.current.loadingMore) return;
    asked.current.loadingMore = true;
    const mine = asked.current.key;
    try {
      const answer = await list(chosen, new AbortController().signal, found.next);
      if (asked.current.key === mine) setFound({ ...answer, asked: mine, items: [...found.items, ...answer.items] });
    } catch (failure) {
      setError(told(failure));
    }
    asked.current.loadingMore = false;
  };
  // What the first page leaves is asked for at once, so that the count says more than what is seen.
  useEffect(() => void (found.items.length === FIRST_PAGE && more()), [found]);
  return { ...found, error, loading, more, again: () => setRound((before) => before + 1) };
}
