// What is in force, and whether all is well: what is wrong, and what to do.
import { can, get } from "../api.js";
import { current, Kept } from "../counting.js";
import { useLoaded, useWhileSeen } from "../fresh.js";
import { html } from "../lib.js";
import { Problem, Screen, When } from "../parts.js";
import { count, percent, size } from "../words.js";

/** What to do about a part that has a problem. */
const HELP = {
  model: "Searches go by words until it is there. “faiss-memory compile” fetches it and says why it cannot.",
  embedder: "What is stored is kept; it is embedded when the model answers again.",
  keeper: "Is the disk full, or the folder not writable? It is tried again by itself.",
  committer: "Nothing was lost that was acknowledged. The log says more; a restart helps.",
  purge: "Run the purge again.",
};

/** @param {{data: any}} props */
function Health({ data }) {
  const { health, diagnosis } = data;
  const problems = [...health.problems, ...(diagnosis?.not_writable ? [{ part: "data folder", reason: diagnosis.not_writable }] : [])];
  return html`<section class="card" aria-labelledby="health-title"><h2 id="health-title">Health</h2>
    <p><span class=${`badge${problems.length ? " bad" : " good"}`}>${problems.length ? "needs a look" : "all is well"}</span></p>
    ${problems.map((one) => html`<div class="problem"><p><strong>${one.part}</strong>: ${one.reason}</p><p>${HELP[/** @type {keyof typeof HELP} */ (one.part)] || "The log says more."}</p></div>`)}
    ${health.rebuilding.map((/** @type {any} */ one) => html`<p>${one.project}: ${one.what} is being made again, ${percent(one.progress)}</p>`)}
    <dl class="facts">
      <dt>Version</dt><dd>${health.version}</dd>
      <dt>Model</dt><dd>${health.model_in_use || "none yet; searches go by words"}</dd>
      ${diagnosis && html`<dt>Memories lie in</dt><dd><code>${diagnosis.data_folder}</code></dd><dt>Free on that disk</dt><dd>${size(diagnosis.free_bytes)}</dd>`}
      <dt>Memories</dt><dd><${Kept} total=${data.stats.total_memories} superseded=${data.now?.superseded} /></dd>
      ${data.stats.last_updated && html`<dt>Last change</dt><dd><${When} time=${data.stats.last_updated} /></dd>`}
    </dl></section>`;
}

/** @param {{all: any[], label: string}} props */
const Values = ({ all, label }) => html`<div class="table-card" tabindex="0" role="group" aria-label=${label}><table class="settings"><thead><tr><th scope="col">Setting</th><th scope="col">Value</th><th scope="col">Where from</th></tr></thead>
  <tbody>${all.map((one) => html`<tr key=${one.key}><td><code>${one.key}</code></td><td class="any">${typeof one.value === "string" ? one.value || html`<span class="quiet">not set</span>` : JSON.stringify(one.value)}</td><td>${one.origin}</td></tr>`)}</tbody></table></div>`;

export function Settings() {
  const { data, error, again } = useLoaded(async (signal) => {
    const [health, diagnosis, stats] = await Promise.all([get("/health", {}, signal), can("GET", "/diagnosis") ? get("/diagnosis", {}, signal) : null, get("/stats", {}, signal)]);
    const overview = can("GET", "/overview") ? await get("/overview", {}, signal) : null;
    return { health, diagnosis, stats, overview, now: await current(signal) };
  }, []);
  useWhileSeen(again, 10_000);
  const settings = data?.overview?.settings || [];
  const set = settings.filter((/** @type {any} */ one) => one.origin !== "default");
  const plugins = data?.overview?.plugins || [];
  return html`<${Screen} title="Settings" lead="They are changed in the configuration file or the environment, and hold from the next start.">
    <${Problem} error=${error} again=${again} />
    ${data && html`<${Health} data=${data} />`}
    ${data?.overview && html`<section class="card"><h2>What is in force</h2>
        ${set.length ? html`<${Values} all=${set} label="What you have set" />` : html`<p>Everything is as it comes.</p>`}
        <details><summary>All ${count(settings.length)} settings, with the defaults</summary><${Values} all=${settings} label="Settings in force" /></details>
        <details><summary>Plugins and adapters (${count(plugins.length)})</summary><ul class="plain-list">${plugins.map((/** @type {any} */ one) => html`<li>${one.name} <span class="quiet">${one.kind}</span></li>`)}${data.overview.disabled.map((/** @type {string} */ name) => html`<li>${name} <span class="quiet">switched off</span></li>`)}</ul></details></section>`}
    <p><a href="/docs">The API, as a page</a> · <a href="/openapi.json">as OpenAPI</a></p>
  <//>`;
}
