// Numbers from the ledger only. Looking at this page counts for nothing.
import { read } from "../actions.js";
import { change, href } from "../address.js";
import { can, get } from "../api.js";
import { Bars, Lines } from "../chart.js";
import { current, Kept, supersededOf } from "../counting.js";
import { useLoaded } from "../fresh.js";
import { html } from "../lib.js";
import { gist, Plain } from "../markdown.js";
import { Empty, Problem, Screen, When } from "../parts.js";
import { count, counted, size, writer } from "../words.js";

const LOGGED = 1000;
const MOST = 10;
const DAY_MS = 86_400_000;

/** @param {number[]} sorted @param {number} share */
const quantile = (sorted, share) => (sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] : null);

/** Every day of a stretch of time, the oldest first. @param {number} days */
function eachDay(days) {
  const today = Math.floor(Date.now() / DAY_MS);
  return [...Array(days).keys()].map((ago) => new Date((today - days + 1 + ago) * DAY_MS).toISOString().slice(0, 10));
}

/** What the log of recall says of each day. @param {any[]} entries @param {string[]} days */
function byDay(entries, days) {
  return days.map((day) => {
    const here = entries.filter((one) => one.at.slice(0, 10) === day);
    const times = here.map((one) => one.took_ms).sort((one, other) => one - other);
    return {
      day,
      recalled: here.filter((one) => one.shown.length && !one.late).length,
      nothing: here.filter((one) => !one.shown.length).length,
      late: here.filter((one) => one.late).length,
      withheld: here.reduce((sum, one) => sum + one.withheld.length, 0),
      p50: quantile(times, 0.5), p95: quantile(times, 0.95),
    };
  });
}

/** @param {Record<string, any>} ledger @returns {any[]} */
function byAssistant(ledger) {
  return Object.entries(ledger).flatMap(([assistant, projects]) => Object.entries(projects).map(([project, events]) => {
    const rows = /** @type {any[]} */ (Object.values(events));
    const sum = (/** @type {string} */ name) => rows.reduce((total, row) => total + (row[name] || 0), 0);
    const last = rows.map((row) => row.last_fired).sort().pop();
    return { assistant, project, fired: sum("fired"), injected: sum("injected"), nothing: sum("nothing"), late: sum("late"), memories: sum("memories"), tokens: sum("tokens"), last };
  }));
}

/** @param {{label: string, value: any}} props */
const Figure = ({ label, value }) => html`<div class="figure"><dt>${label}</dt><dd>${value}</dd></div>`;

/** @param {{params: Record<string, string>}} props */
export function Analytics({ params }) {
  const days = Number(params.days) || 30;
  const { data, error, again, loading } = useLoaded(async (signal) => {
    const [stats, log] = await Promise.all([get("/stats", {}, signal), can("GET", "/recall/log") ? get("/recall/log", { limit: LOGGED }, signal) : { recalls: [] }]);
    const uses = can("GET", "/uses") ? await get("/uses", { days, by: "day" }, signal) : null;
    const memories = can("GET", "/uses") ? await get("/uses", { days, by: "memory" }, signal) : null;
    const shown = (memories?.rows || []).filter((/** @type {any} */ row) => row.events.shown).slice(0, MOST);
    const most = await Promise.all(shown.map(async (/** @type {any} */ row) => ({ ...row, text: (await read(row.key, signal))?.text })));
    return { stats, now: await current(signal), log: log.recalls, uses, most };
  }, [days]);
  if (error) return html`<${Screen} title="Analytics"><${Problem} error=${error} again=${again} /><//>`;
  if (!data) return html`<${Screen} title="Analytics"><p class="quiet">${loading ? "Loading…" : ""}</p><//>`;
  const { stats } = data;
  const every = eachDay(days);
  const prompts = data.log.filter((/** @type {any} */ one) => one.event !== "search");
  const known = byDay(prompts, every);
  const ledger = new Map((data.uses?.rows || []).map((/** @type {any} */ row) => [row.key, row]));
  const ofDays = (/** @type {string} */ event) => every.map((day) => ledger.get(day)?.events[event] || 0);
  const rows = byAssistant(stats.plugins?.recall || {});
  const total = (/** @type {string} */ name) => rows.reduce((sum, row) => sum + row[name], 0);
  const missed = data.log.filter((/** @type {any} */ one) => one.event === "search" && !one.shown.length);
  return html`<${Screen} title="Analytics" lead="Counted where it happened. Nothing is estimated, and looking here counts for nothing."
    actions=${html`<label class="inline">The last <select value=${String(days)} onChange=${(/** @type {any} */ event) => change({ days: event.target.value }, true)}>
      ${[7, 30, 90].map((one) => html`<option value=${String(one)}>${one} days</option>`)}</select></label>`}>
    <dl class="figures">
      <${Figure} label="Memories" value=${html`<${Kept} total=${stats.total_memories} superseded=${data.now?.superseded} />`} />
      <${Figure} label="Prompts seen" value=${count(total("fired"))} />
      <${Figure} label="With something shown" value=${count(total("injected"))} />
      <${Figure} label="Too late" value=${count(total("late"))} />
      <${Figure} label="Tokens shown" value=${count(total("tokens"))} />
      <${Figure} label="Size of the indexes" value=${size(stats.index_size_bytes)} />
    </dl>
    ${!prompts.length && html`<${Empty} title="No prompt in the log yet."><p>What assistants ask and are shown is counted here, day by day.</p><a href=${href("assistants")}>Connect an assistant</a><//>`}
    ${prompts.length > 0 && html`<div class="columns">
      <section class="card"><h2>Prompts per day</h2><p class="quiet">${prompts.length >= LOGGED ? `Of the last ${count(LOGGED)} in the log.` : `${counted(prompts.length, "prompt")} in the log.`}</p>
        <${Bars} days=${every} series=${[
          { label: "something shown", values: known.map((day) => day.recalled), colour: "--chart-1" },
          { label: "nothing shown", values: known.map((day) => day.nothing), colour: "--chart-2" },
          { label: "too late", values: known.map((day) => day.late), colour: "--chart-3" },
        ]} /></section>
      <section class="card"><h2>How long it took</h2><p class="quiet">Milliseconds in the service: half were quicker than p50, 95 of 100 than p95.</p>
        <${Lines} days=${every} series=${[
          { label: "p50", values: known.map((day) => day.p50), colour: "--chart-1" },
          { label: "p95", values: known.map((day) => day.p95), colour: "--chart-3" },
        ]} /></section>
    </div>`}
    ${ledger.size > 0 && html`<div class="columns">
      <section class="card"><h2>Memories per day</h2><p class="quiet">Each memory counts, and each time.</p>
        <${Bars} days=${every} series=${[
          { label: "shown", values: ofDays("shown"), colour: "--chart-1" },
          { label: "withheld", values: ofDays("withheld"), colour: "--chart-2" },
          { label: "added", values: ofDays("added"), colour: "--chart-3" },
        ]} /></section>
      <section class="card table-card"><h2>Shown most</h2>${data.most.length ? html`<table><thead><tr><th scope="col">Memory</th><th scope="col" class="num">Times</th><th scope="col" class="num">Tokens</th></tr></thead>
        <tbody>${data.most.map((/** @type {any} */ row) => html`<tr><td><a class="two-lines" href=${href("memories", { id: row.key })}>${row.text ? html`<${Plain} text=${gist(row.text, 160)} />` : `Memory ${row.key}, forgotten`}</a></td><td class="num">${count(row.events.shown)}</td><td class="num">${count(row.tokens)}</td></tr>`)}</tbody></table>` : html`<p class="quiet">None yet.</p>`}
        ${can("GET", "/review/stale") && html`<p><a href=${href("review", { queue: "stale" })}>Those that nothing finds</a></p>`}</section>
    </div>`}
    ${rows.length > 0 && html`<section class="card table-card" tabindex="0" aria-label="By assistant and project"><h2>By assistant and project</h2><table>
      <thead><tr><th scope="col">Assistant</th><th scope="col">Project</th><th scope="col" class="num">Prompts</th><th scope="col" class="num">Shown</th><th scope="col" class="num">Nothing</th><th scope="col" class="num">Late</th><th scope="col" class="num">Tokens</th><th scope="col">Last</th></tr></thead>
      <tbody>${rows.map((row) => html`<tr><td>${row.assistant}</td><td>${row.project}</td><td class="num">${count(row.fired)}</td><td class="num">${count(row.injected)}</td><td class="num">${count(row.nothing)}</td><td class="num">${count(row.late)}</td><td class="num">${count(row.tokens)}</td><td><${When} time=${row.last} /></td></tr>`)}</tbody></table></section>`}
    <div class="columns">
      <section class="card"><h2>Searches that found nothing</h2>
        ${missed.length ? html`<ul class="plain-list">${missed.slice(0, 20).map((/** @type {any} */ one) => html`<li><a href=${href("memories", { q: one.prompt })}><${Plain} text=${one.prompt} /></a> <span class="quiet">by ${writer(one.assistant)}, <${When} time=${one.at} /></span></li>`)}</ul>` : html`<p class="quiet">None in the log.</p>`}</section>
      <section class="card table-card"><h2>Size by project</h2><table><thead><tr><th scope="col">Project</th><th scope="col" class="num">Memories</th><th scope="col" class="num">Index</th></tr></thead>
        <tbody>${stats.projects.map((/** @type {any} */ one) => html`<tr><td><a href=${href("memories", { project: one.name })}>${one.name}</a></td><td class="num"><${Kept} total=${one.memories} superseded=${supersededOf(data.now, one)} /></td><td class="num">${size(one.index_size_bytes)}</td></tr>`)}</tbody></table></section>
    </div>
  <//>`;
}
