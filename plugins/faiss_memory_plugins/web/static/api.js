// Asking the service: what the page can do, a script can do by the same calls.

/**
 * @typedef {object} Memory
 * @property {number} id
 * @property {string} text
 * @property {string} source
 * @property {string} timestamp
 * @property {string} project
 * @property {string[]} tags
 * @property {string[]} cues
 * @property {Record<string, unknown>} metadata
 * @property {string | null} [by]
 * @property {string | null} [actor] who of the team wrote it; null for the owner
 * @property {string} [uid]
 * @property {number | null} [supersedes]
 * @property {number | null} [superseded_by]
 * @property {string} [valid_until]
 * @property {"fresh" | "changed" | "gone" | "expired"} [state]
 * @property {string[]} [masked] the kinds of secrets that were masked in it just now
 */

/**
 * @typedef {object} Match
 * @property {number} relevance
 * @property {number | null} similarity
 * @property {number} score
 * @property {"passage" | "cue"} [matched]
 * @property {{text: string}} [passage]
 * @property {Record<string, any>} [evidence]
 * @property {Record<string, any>} [why]
 */

/** @typedef {Memory & Partial<Match>} Found */

/** The service said no, and why. */
export class Refused extends Error {
  /** @param {number} status @param {Record<string, any>} told */
  constructor(status, told) {
    super(told.description || told.title || `The service answered ${status}.`);
    this.status = status;
    this.field = told.field || "";
    /** @type {string[]} */
    this.details = told.details || [];
  }
}

/** Nobody answers at this address. */
export class Away extends Error {
  constructor() {
    super("The service does not answer.");
  }
}

const watchers = new Set();
export const state = { away: false, locked: false };

/** @param {Partial<typeof state>} change */
function tell(change) {
  const before = { ...state };
  Object.assign(state, change);
  if (before.away !== state.away || before.locked !== state.locked) watchers.forEach((watch) => watch());
}

/** Be told when the service goes, comes back, or wants a token. @param {() => void} watch */
export function watchState(watch) {
  watchers.add(watch);
  return () => watchers.delete(watch);
}

/**
 * @param {string} method
 * @param {string} path
 * @param {{query?: Record<string, any>, body?: any, signal?: AbortSignal, file?: Blob}} [options]
 * @returns {Promise<any>}
 */
export async function ask(method, path, { query, body, signal, file } = {}) {
  // (A list is a parameter that is given several times.)
  const given = Object.entries(query || {}).flatMap(([name, value]) => [value].flat().map((one) => [name, one])).filter(([, value]) => value !== undefined && value !== "");
  const search = given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
  /** @type {Record<string, string>} */
  const headers = { "FAISS-Memory-By": "page", "X-FAISS-Memory": "page" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (file) headers["Content-Type"] = "application/x-tar";
  let answer;
  try {
    answer = await fetch(path + search, {
      method, headers, signal, body: file || (body === undefined ? undefined : JSON.stringify(body)),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    tell({ away: true });
    throw new Away();
  }
  const told = await answer.json().catch(() => ({}));
  tell({ away: false, locked: answer.status === 401 });
  if (!answer.ok) throw new Refused(answer.status, told);
  return told;
}

/** So long an early answer is kept for whoever is to use it. */
const EARLY_MS = 1000;
/** What was asked before anybody was there to use the answer, by the question. @type {Map<string, Promise<any>>} */
const early = new Map();
const question = (/** @type {string} */ path, /** @type {Record<string, any> | undefined} */ query) => JSON.stringify([path, query || {}]);

/** Ask now what a part of the page will ask when it is drawn: the next who gets the same has this answer. @param {string} path @param {Record<string, any>} [query] */
export function askEarly(path, query) {
  const answer = ask("GET", path, { query });
  const asked = question(path, query);
  early.set(asked, answer);
  const drop = () => void (early.get(asked) === answer && early.delete(asked));
  answer.then(() => setTimeout(drop, EARLY_MS), drop); // (a refusal is told to whoever asks again)
}

/** @param {string} path @param {Record<string, any>} [query] @param {AbortSignal} [signal] @returns {Promise<any>} */
export function get(path, query, signal) {
  const answer = early.size ? early.get(question(path, query)) : undefined;
  if (answer) early.delete(question(path, query));
  return answer || ask("GET", path, { query, signal });
}
/** @param {string} path @param {any} body @param {AbortSignal} [signal] */
export const post = (path, body, signal) => ask("POST", path, { body, signal });

/**
 * @typedef {object} Who
 * @property {string | null} name the member of the team who asks; null for the owner
 * @property {boolean} isOwner
 * @property {boolean} hasTeam whether there is a team, which who asks may see
 */

/** Who asks, as it was learnt. @type {Who} */
export const who = { name: null, isOwner: true, hasTeam: false };

/** Learn who asks, and whether they may see the team. */
export async function learnWho() {
  const { name, admin } = await get("/me");
  Object.assign(who, { name, isOwner: name === null, hasTeam: false });
  return { seesTeam: admin === "*" };
}

/** @type {Record<string, Record<string, any>>} */
let paths = {};
/** @type {Record<string, any>} */
let schemas = {};
let hasLearnt = false;
let nowLearnt = () => {};
/** Kept as soon as it is known which calls the service has: whoever goes by them waits for that. @type {Promise<void>} */
export const learnt = new Promise((keep) => (nowLearnt = keep));
export const isLearnt = () => hasLearnt;

/** Learn which calls this service has, so that what needs another one is not shown. (To describe them takes it longer than to list memories.) */
export async function learn() {
  const document = await get("/openapi.json");
  paths = document.paths;
  schemas = document.components.schemas;
  hasLearnt = true;
  nowLearnt();
}

/** Learn whether there is a team, for those who may see it. */
export async function learnTeam() {
  const { count } = await get("/team");
  who.hasTeam = count > 0;
}

/** Whether the service has a call that who asks may make. @param {string} method @param {string} path as OpenAPI has it, such as `/memory/{id}/restore` */
export function can(method, path) {
  const call = paths[path]?.[method.toLowerCase()];
  return Boolean(call && (who.isOwner || !call["x-owner-only"]));
}

/** Whether a call takes a parameter, or its body a field. @param {string} method @param {string} path @param {string} name */
export function takes(method, path, name) {
  const call = paths[path]?.[method.toLowerCase()];
  const body = call?.requestBody?.content?.["application/json"]?.schema?.$ref?.split("/").pop();
  return Boolean(call?.parameters?.some((/** @type {any} */ one) => one.name === name) || schemas[body]?.properties?.[name]);
}

/** What to tell of an error, in words. @param {unknown} error */
export function told(error) {
  const details = error instanceof Refused && error.details.length ? ` (${error.details.slice(0, 5).join("; ")})` : "";
  return (error instanceof Error ? error.message : String(error)) + details;
}
