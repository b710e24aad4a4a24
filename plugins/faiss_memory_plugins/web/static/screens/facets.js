// What the list can be narrowed by, with how many there are of each.
import { change, href } from "../address.js";
import { can, get, learnt } from "../api.js";
import { since } from "../finding.js";
import { useLoaded } from "../fresh.js";
import { html, useState } from "../lib.js";
import { visible } from "../markdown.js";
import { brief, count, writer } from "../words.js";

const TIMES = [["", "Any time"], ["1", "Last day"], ["7", "Last 7 days"], ["30", "Last 30 days"], ["365", "Last year"]];
const SOME = 12;
/** So many of each kind are counted: all that the service tells. */
const MOST = 1000;

/** @typedef {{value: string, label: string, count?: number}} Choice */

/** Of what the list shows: superseded ones are counted where it shows them too. @param {Record<string, string>} params */
const filters = ({ project, tag, source, by, days, state }) => ({
  project: project || "*", tag, source, by: by || undefined, after: since(days), limit: MOST,
  include_superseded: state === "all" || undefined, expired: state === "expired" || undefined,
});

/** Those that there are, and the one that is chosen, though it may have nothing left. @param {Choice[]} choices @param {string | undefined} chosen */
const withChosen = (choices, chosen) => (!chosen || choices.some((one) => one.value === chosen) ? choices : [{ value: chosen, label: chosen, count: 0 }, ...choices]);

/**
 * Count what there is of each kind, as the other filters leave it: so many are shown when it is chosen.
 * @param {Record<string, string>} params @param {AbortSignal} signal
 */
async function counts(params, signal) {
  await learnt;
  if (!can("GET", "/facets")) return plainCounts(params, signal);
  const chosen = filters(params);
  /** @type {Map<string, Promise<any>>} */
  const asked = new Map();
  const without = (/** @type {Partial<typeof chosen>} */ change) => {
    const query = { ...chosen, ...change };
    const key = JSON.stringify(query);
    if (!asked.has(key)) asked.set(key, get("/facets", query, signal));
    return asked.get(key);
  };
  const [{ projects }, everywhere, ofTags, ofSources, ofBy, ofStates] = await Promise.all([
    get("/projects", {}, signal), without({ project: "*" }), without({ tag: undefined }), without({ source: undefined }), without({ by: undefined }),
    without({ include_superseded: undefined, expired: undefined }),
  ]);
  const numbers = new Map(everywhere.projects.map((/** @type {any} */ one) => [one.name, one.count]));
  return {
    // (Those too in which the list has nothing to show now.)
    projects: projects.map((/** @type {any} */ { name }) => ({ value: name, label: name, count: numbers.get(name) || 0 })),
    tags: withChosen(ofTags.tags.map((/** @type {any} */ one) => ({ value: one.tag, label: one.tag, count: one.count })), params.tag),
    sources: ofSources.sources.filter((/** @type {any} */ one) => one.source).map((/** @type {any} */ one) => ({ value: one.source, label: brief(one.source, 26), count: one.count })),
    by: withChosen(ofBy.by.map((/** @type {any} */ one) => ({ value: one.by || "unknown", label: writer(one.by), count: one.count })), params.by),
    states: ofStates.states,
  };
}

/** What can be counted where there are no facets. @param {Record<string, string>} params @param {AbortSignal} signal */
async function plainCounts({ project = "*" }, signal) {
  const [{ projects }, { tags }] = await Promise.all([get("/projects", {}, signal), get("/tags", { project }, signal)]);
  const all = projects.map((/** @type {any} */ one) => ({ value: one.name, label: one.name, count: one.memories }));
  return { projects: all, tags: tags.map((/** @type {any} */ one) => ({ value: one.tag, label: one.tag, count: one.count })), sources: [], by: [], states: {} };
}

/** How memories stand: those that hold, and what is not shown without being asked for. @param {{superseded?: number, expired?: number}} states @returns {Choice[]} */
const standings = ({ superseded, expired }) => [
  { value: "all", label: "Superseded ones too", count: superseded },
  ...(can("GET", "/facets") ? [{ value: "expired", label: "Only what is over", count: expired }] : []),
];

/** @param {{title: string, name: string, chosen: string, choices: Choice[], any?: string}} props */
function Facet({ title, name, chosen, choices, any }) {
  const [isAll, setAll] = useState(false);
  const [typed, setTyped] = useState("");
  if (!choices.length) return null;
  const fitting = typed ? choices.filter((one) => one.label.toLowerCase().includes(typed.toLowerCase())) : choices;
  const shown = isAll || typed ? fitting.slice(0, 500) : fitting.slice(0, SOME);
  const mine = choices.find((one) => one.value === chosen);
  if (mine && !shown.includes(mine)) shown.unshift(mine);
  const pick = (/** @type {string} */ value) => change({ [name]: value === chosen ? undefined : value, id: undefined });
  const line = (/** @type {Choice} */ one) => html`<li key=${one.value}>
    <button type="button" class="choice" aria-pressed=${one.value === chosen} title=${visible(one.value)} onClick=${() => pick(one.value)}>
      <span class="choice-name">${visible(one.label)}</span>${one.count !== undefined && html`<span class="number">${count(one.count)}</span>`}
    </button></li>`;
  return html`<section class=${`facet facet-${name}`}>
    <h2>${title}</h2>
    ${choices.length > SOME && html`<input class="small" type="search" aria-label=${`Find in ${title.toLowerCase()}`} placeholder="Find…" value=${typed}
      onInput=${(/** @type {any} */ event) => setTyped(event.target.value)} />`}
    <ul role="list">${any && line({ value: "", label: any })}${shown.map(line)}</ul>
    ${fitting.length > SOME && !typed && html`<button type="button" class="plain more" aria-expanded=${isAll} onClick=${() => setAll(!isAll)}>${isAll ? "Fewer" : `All ${count(fitting.length)}`}</button>`}
  </section>`;
}

/** @param {{params: Record<string, string>, round: number}} props */
export function Facets({ params, round }) {
  const { data } = useLoaded((signal) => counts(params, signal), [params.project, params.tag, params.source, params.by, params.days, params.state, round]);
  const { projects = [], tags = [], sources = [], by = [], states = {} } = data || {};
  return html`<div class="facets">
    <${Facet} title="Project" name="project" chosen=${params.project || ""} choices=${projects} any="All projects" />
    <${Facet} title="Tag" name="tag" chosen=${params.tag || ""} choices=${tags} />
    <section class="facet">
      <h2><label for="facet-source">Source, as a pattern</label></h2>
      <input id="facet-source" class="small" type="search" placeholder="docs/*.md" value=${params.source || ""}
        onChange=${(/** @type {any} */ event) => change({ source: event.target.value || undefined, id: undefined })} />
    </section>
    <${Facet} title="Sources" name="source" chosen=${params.source || ""} choices=${sources} />
    <${Facet} title="Written by" name="by" chosen=${params.by || ""} choices=${by} any=${by.length > 1 ? "Anybody" : undefined} />
    <${Facet} title="Time" name="days" chosen=${params.days || ""} choices=${TIMES.slice(1).map(([value, label]) => ({ value, label }))} any="Any time" />
    <${Facet} title="State" name="state" chosen=${params.state || ""} choices=${standings(states)} any="Current ones" />
    ${can("GET", "/forgotten") && html`<p class="facet"><a href=${href("backups", { part: "forgotten" })}>Forgotten ones</a></p>`}
  </div>`;
}
