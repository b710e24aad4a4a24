// Loading, and keeping what is shown up to date: only while somebody looks.
import { can, get, learnt, told, watchState } from "./api.js";
import { useEffect, useRef, useState } from "./lib.js";

const EVERY_MS = 4000;

/**
 * @template T
 * @typedef {object} Loaded
 * @property {T | null} data
 * @property {string} error
 * @property {boolean} loading
 * @property {() => void} again
 * @property {(data: T) => void} put
 */

/**
 * Load something now, and again when `on` changes, when the service is back, and when `again` is called; `put` shows
 * what an answer has brought by itself, until then.
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} load
 * @param {unknown[]} on
 * @returns {Loaded<T>}
 */
export function useLoaded(load, on) {
  const [found, setFound] = useState(/** @type {{data: T | null, error: string, loading: boolean}} */ ({ data: null, error: "", loading: true }));
  const [round, setRound] = useState(0);
  useEffect(() => {
    const aborting = new AbortController();
    setFound((before) => ({ ...before, loading: true }));
    load(aborting.signal).then(
      (data) => aborting.signal.aborted || setFound({ data, error: "", loading: false }),
      (error) => aborting.signal.aborted || setFound((before) => ({ ...before, error: told(error), loading: false })),
    );
    return () => aborting.abort();
  }, [...on, round]);
  const again = () => setRound((before) => before + 1);
  useEffect(() => {
    const off = watchState(again);
    return () => void off();
  }, []);
  const put = (/** @type {T} */ data) => {
    setFound({ data, error: "", loading: false });
    again();
  };
  return { ...found, again, put };
}

/** Run something every few seconds while the page is seen, and at once when it is seen again. @param {() => void} run */
export function useWhileSeen(run, every = EVERY_MS) {
  const held = useRef(run);
  held.current = run;
  useEffect(() => {
    const look = () => document.visibilityState === "visible" && held.current();
    const timer = setInterval(look, every);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [every]);
}

/** What tells whether anything has changed: small, and cheap to ask for. @param {string} before @returns {Promise<string>} */
async function mark(before) {
  await learnt;
  if (can("GET", "/changes")) return String((await get("/changes", { after: before })).position);
  const { projects } = await get("/projects");
  return JSON.stringify(projects.map((/** @type {any} */ one) => [one.name, one.memories, one.last_updated]));
}

/** @type {Set<() => void>} */
const lookers = new Set();
/** Look now whether anything has changed. */
export const lookNow = () => lookers.forEach((look) => look());

/** Run something when memories were changed, by whomever. @param {() => void} run */
export function useChanges(run) {
  const known = useRef("");
  const look = async () => {
    const found = await mark(known.current).catch(() => known.current);
    if (known.current && found !== known.current) run();
    known.current = found;
  };
  const held = useRef(look);
  held.current = look;
  useEffect(() => {
    const now = () => void held.current();
    lookers.add(now);
    return () => void lookers.delete(now);
  }, []);
  useEffect(() => void look(), []); // from when the page is drawn on, and not from the first look after that
  useWhileSeen(look);
}
