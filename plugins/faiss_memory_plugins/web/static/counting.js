// How many of what there is a newer one supersedes: lists leave those out, numbers of all that is kept do not.
import { can, get } from "./api.js";
import { html } from "./lib.js";
import { count } from "./words.js";

const MOST = 1000;

/** @typedef {{superseded: number, shown: Map<string, number> | null}} Current how many are superseded in all, and how many of each project lists show */

/** @param {AbortSignal} signal @returns {Promise<Current | null>} */
export async function current(signal) {
  if (!can("GET", "/facets")) return null;
  const { projects, states } = await get("/facets", { project: "*", limit: MOST }, signal);
  const shown = projects.length < MOST ? new Map(projects.map((/** @type {any} */ one) => [one.name, one.count])) : null;
  return { superseded: states.superseded, shown };
}

/** How many there are, and how many of them are superseded. @param {{total: number, superseded: number | undefined}} props */
export const Kept = ({ total, superseded }) => html`${count(total)}${superseded ? html`<span class="of-them">, ${count(superseded)} of them superseded</span>` : ""}`;

/** How many of a project are superseded. @param {Current | null | undefined} now @param {{name: string, memories: number}} project */
export const supersededOf = (now, { name, memories }) => (now?.shown ? Math.max(0, memories - (now.shown.get(name) || 0)) : undefined);
