// What belongs to a memory: what it superseded, what is like it, and when it was recalled.
import { href } from "../address.js";
import { can, get, post } from "../api.js";
import { WordDiff } from "../diff.js";
import { useLoaded } from "../fresh.js";
import { html } from "../lib.js";
import { gist, Plain } from "../markdown.js";
import { When } from "../parts.js";
import { count, counted, percent } from "../words.js";

/** @typedef {import("../api.js").Memory} Memory */

const LIKE = 5;
/** From here on two memories are so near that what tells them apart says something. */
const NEAR = 0.6;
const LONGEST_QUERY = 2000;

/** @param {Memory} memory @param {AbortSignal} signal @returns {Promise<any[]>} */
async function similar(memory, signal) {
  if (can("GET", "/memory/{id}/similar")) return (await get(`/memory/${memory.id}/similar`, { k: LIKE }, signal)).results;
  const asked = { query: memory.text.slice(0, LONGEST_QUERY), k: LIKE + 1, project: "*", mode: "semantic" };
  const { results } = await post("/search", asked, signal);
  return results.filter((/** @type {any} */ one) => one.id !== memory.id).slice(0, LIKE);
}

/** @param {{memory: Memory}} props */
function History({ memory }) {
  const { data } = useLoaded((signal) => get(`/memory/${memory.id}/history`, {}, signal), [memory.id, memory.text]);
  const all = data?.memories || [];
  if (all.length < 2) return null;
  return html`<section aria-label="History"><h3>History</h3>
    <ol class="history">${all.map((/** @type {Memory} */ one, /** @type {number} */ place) => html`<li>
      <p class="quiet"><a href=${href("memories", { id: one.id, state: "all" })}>Memory ${one.id}</a>, <${When} time=${one.timestamp} />${place === all.length - 1 ? ", the first" : ""}</p>
      ${place < all.length - 1 ? html`<${WordDiff} before=${all[place + 1].text} after=${one.text} />` : html`<p class="diff"><${Plain} text=${one.text} /></p>`}
    </li>`)}</ol>
  </section>`;
}

/** @param {{memory: Memory}} props */
function Similar({ memory }) {
  const { data } = useLoaded((signal) => similar(memory, signal), [memory.id, memory.text]);
  if (!data?.length) return null;
  return html`<section aria-label="Similar ones"><h3>Similar ones</h3>
    <ul class="similar">${data.map((one) => html`<li><a href=${href("memories", { id: one.id, project: one.project === memory.project ? one.project : undefined })}>
      <span class="two-lines"><${Plain} text=${gist(one.text, 240)} /></span></a>
      ${one.similarity >= NEAR && one.differs_in?.length > 0 && html`<span class="quiet">What tells them apart: ${one.differs_in.slice(0, 3).join("; ")}.</span> `}<span class="quiet">${one.similarity === null ? "" : `${percent(Math.max(0, one.similarity))} close in meaning · `}${one.project} · <${When} time=${one.timestamp} /></span></li>`)}</ul>
  </section>`;
}

/** @param {{memory: Memory}} props */
function Uses({ memory }) {
  const { data } = useLoaded((signal) => get(`/memory/${memory.id}/uses`, {}, signal), [memory.id]);
  if (!data) return null;
  // (That it was added is no use of it.)
  const used = (/** @type {any} */ row) => Object.entries(row.events).filter(([name]) => name !== "added");
  const events = (/** @type {any} */ row) => used(row).map(([name, times]) => `${name} ${counted(times, "time")}`).join(", ");
  const rows = data.rows.filter((/** @type {any} */ row) => used(row).length);
  return html`<section aria-label="Use"><h3>Use</h3>
    <p>${rows.length ? `In the last 90 days: ${events(data.total)}.` : "Not recalled in the last 90 days."}</p>
    ${rows.length > 0 && html`<table><thead><tr><th scope="col">Day</th><th scope="col">What</th><th scope="col" class="num">Tokens</th></tr></thead>
      <tbody>${rows.slice(-30).map((/** @type {any} */ row) => html`<tr><td>${row.key}</td><td>${events(row)}</td><td class="num">${count(row.tokens)}</td></tr>`)}</tbody></table>`}
    ${can("POST", "/recall/preview") && html`<p><a href=${href("recall", { project: memory.project, id: memory.id })}>Why did it not come? Try a prompt</a></p>`}
  </section>`;
}

/** @param {{memory: Memory}} props */
export function About({ memory }) {
  return html`<${History} memory=${memory} />
    ${can("GET", "/memory/{id}/uses") && html`<${Uses} memory=${memory} />`}
    <${Similar} memory=${memory} />`;
}
