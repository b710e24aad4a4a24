// What assistants were shown: each prompt that fired, and what a prompt would bring now.
import { allow, correct, pin, read } from "../actions.js";
import { change, href } from "../address.js";
import { can, get, post } from "../api.js";
import { useLoaded, useWhileSeen } from "../fresh.js";
import { html, useEffect, useState } from "../lib.js";
import { gist, Plain, visible } from "../markdown.js";
import { Empty, Field, Problem, Screen, When } from "../parts.js";
import { attempt, say } from "../toast.js";
import { count, counted, likely, percent, sentence, writer } from "../words.js";

const REASONS = {
  relevance: "not relevant enough", "beside a better one": "a better one says it", duplicate: "says the same as another", replaced: "a newer one says it with another value",
  budget: "no room left", "file changed": "its file says something else now", "file gone": "its file is gone", "not for this": "never for prompts like this", "shown before": "shown before in that session",
};
const PAUSE_MS = 250;
/** Where the slider stands before the first answer has said where the bar is. */
const USUAL_BAR = 0.2;
const LOGGED = 100;
const NEAREST = 5;
/** The most characters that a cue may have. */
const LONGEST_CUE = 200;

/** @param {string} why */
const reason = (why) => REASONS[/** @type {keyof typeof REASONS} */ (why)] || why;

/** @param {{one: any, prompt: string, again: () => void}} props */
function Candidate({ one, prompt, again }) {
  const isBarred = one.why === "not for this";
  return html`<li class="candidate">
    <p class="two-lines"><a href=${href("memories", { id: one.id })}><${Plain} text=${gist(one.text, 300)} /></a></p>
    <p class="row-facts"><span>${likely(one.relevance)} likely</span>${one.why && html`<span class="badge">${reason(one.why)}</span>`}<span>${one.project}</span>
      <span class="candidate-acts">${can("POST", "/recall/never") && (isBarred || !one.why) && html`<button type="button" class="plain small" onClick=${() => attempt(() => allow(one.id, prompt, isBarred)).then(again)}>${isBarred ? "Show it again for this" : "Never for this"}</button>`}
      ${can("POST", "/recall/pin") && html`<button type="button" class="plain small" title="Show it whenever a session of its project begins" onClick=${() => attempt(() => pin(one, true))}>Pin</button>`}</span></p>
  </li>`;
}

/** What was not shown, the nearest first. @param {{all: any[], part: (one: any) => any}} props */
function Withheld({ all, part }) {
  if (!all.length) return null;
  return html`<h3>Withheld</h3><ul role="list">${all.slice(0, NEAREST).map(part)}</ul>
    ${all.length > NEAREST && html`<details><summary>${counted(all.length - NEAREST, "more, further away", "more, further away")}</summary><ul role="list">${all.slice(NEAREST).map(part)}</ul></details>`}`;
}

/** What becomes of the memory that one has come to ask about. @param {any} told @param {number} id */
function outcome(told, id) {
  if (told.shown.some((/** @type {any} */ one) => one.id === id)) return "is among those that would be shown.";
  const near = told.withheld.find((/** @type {any} */ one) => one.id === id);
  return near ? `would be withheld: ${reason(near.why)}, ${likely(near.relevance)} likely.` : "is not among the nearest: other words, or a cue (“Comes up for”), bring it nearer.";
}

/** What the service says of it, with numbers as they are written everywhere here. @param {string} text */
const inWords = (text) => sentence(text.replace(/\b[01]\.\d\d\b/g, (number) => percent(Number(number))));

/** The memory that one has come to ask about, and how to have it come up for a prompt. @param {{id: string, prompt: string, again: () => void}} props */
function Asked({ id, prompt, again }) {
  const { data, again: anew } = useLoaded((signal) => read(id, signal), [id]);
  if (!data) return null;
  const cue = prompt.slice(0, LONGEST_CUE);
  const change = async (/** @type {string[]} */ cues) => {
    await correct(data.id, { cues });
    anew();
    again();
  };
  const add = () => attempt(async () => {
    await change([...data.cues, cue]);
    say(`Memory ${data.id} comes up for that prompt from now on.`, () => change(data.cues));
  });
  return html`<p class="two-lines"><${Plain} text=${gist(data.text, 300)} /></p>
    ${cue && !data.cues.includes(cue) && html`<p><button type="button" class="small" title="It comes up for what is like it, too" onClick=${add}>Add this prompt as a cue</button></p>`}`;
}

/** @param {{params: Record<string, string>, projects: {name: string, memories: number}[]}} props */
function Preview({ params, projects }) {
  const [prompt, setPrompt] = useState(params.prompt || "");
  const [asked, setAsked] = useState(prompt);
  const [bar, setBar] = useState(/** @type {number | null} */ (null));
  useEffect(() => {
    const timer = setTimeout(() => {
      setAsked(prompt.trim());
      change({ prompt: prompt.trim() || undefined }, true);
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [prompt]);
  // (Most of what somebody tries is for where most is.)
  const largest = projects.reduce((one, other) => (other.memories > one.memories ? other : one));
  const project = params.project || largest.name;
  const { data: told, error, again } = useLoaded(async (signal) => {
    return asked ? post("/recall/preview", { prompt: asked, project, min_relevance: bar ?? undefined }, signal) : null;
  }, [asked, project, bar]);
  const at = bar ?? told?.bar ?? USUAL_BAR;
  return html`<section class="card" aria-labelledby="preview-title"><h2 id="preview-title">Try a prompt</h2>
    <p class="quiet">It is shown to nobody, and counted nowhere.</p>
    ${params.id && html`<div class="note asked" aria-live="polite"><p><a href=${href("memories", { id: params.id })}>Memory ${params.id}</a> ${told ? outcome(told, Number(params.id)) : "says this. Write a prompt that it should have come for."}</p>
      <${Asked} id=${params.id} prompt=${told ? asked : ""} again=${again} /></div>`}
    <${Field} label="What somebody would write to an assistant">${(/** @type {any} */ given) => html`<textarea ...${given} rows="3" value=${prompt} onInput=${(/** @type {any} */ event) => setPrompt(event.target.value)} />`}<//>
    <div class="two-fields">
      <${Field} label="Project">${(/** @type {any} */ given) => html`<select ...${given} value=${project} onChange=${(/** @type {any} */ event) => change({ project: event.target.value }, true)}>
        ${projects.map(({ name }) => html`<option value=${name}>${name}</option>`)}</select>`}<//>
      <${Field} label=${`Least relevance: ${percent(at)}`} hint=${bar === null ? "As it is set. Move it, and see what another would bring." : html`For this try only. <button type="button" class="plain small" onClick=${() => setBar(null)}>As it is set</button>`}>
        ${(/** @type {any} */ given) => html`<input ...${given} type="range" min="0" max="1" step="0.01" value=${at} onInput=${(/** @type {any} */ event) => setBar(Number(event.target.value))} />`}<//>
    </div>
    <${Problem} error=${error} again=${again} />
    ${told && html`<div class="brought" aria-live="polite">
      <h3>${told.shown.length ? `${counted(told.shown.length, "memory", "memories")} would be shown` : "Nothing would be shown"}</h3>
      ${told.nothing && html`<p>${inWords(told.nothing)}</p>`}
      ${told.text && html`<details open><summary>The exact words that the assistant gets</summary><pre class="raw" tabindex="0" aria-label="The exact words">${visible(told.text)}</pre></details>`}
      <ul role="list">${told.shown.map((/** @type {any} */ one) => html`<${Candidate} key=${one.id} one=${one} prompt=${asked} again=${again} />`)}</ul>
      <${Withheld} all=${told.withheld} part=${(/** @type {any} */ one) => html`<${Candidate} key=${one.id} one=${one} prompt=${asked} again=${again} />`} />
      <p class="quiet">${told.queries.length > 1 ? `Asked as: ${told.queries.join(" · ")}. ` : ""}${told.took_ms.toFixed(0)} ms</p>
    </div>`}
  </section>`;
}

/** @param {{logged: any, prompt: string, again: () => void}} props a memory of the log, which has its id alone */
function Logged({ logged, prompt, again }) {
  const { data, loading } = useLoaded((signal) => read(logged.id, signal), [logged.id]);
  if (loading) return html`<li class="quiet">Memory ${logged.id}…</li>`;
  if (!data) return html`<li class="quiet">Memory ${logged.id} is gone.</li>`;
  return html`<${Candidate} one=${{ ...data, relevance: logged.relevance ?? 1, why: logged.why }} prompt=${prompt} again=${again} />`;
}

/** @param {{entry: any, again: () => void}} props */
function Entry({ entry, again }) {
  const [isOpen, setOpen] = useState(false);
  const outcome = entry.late ? "too late" : entry.shown.length ? `${entry.shown.length} shown` : "nothing shown";
  return html`<li class="entry"><details onToggle=${(/** @type {any} */ event) => setOpen(event.target.open)}>
    <summary><span class="two-lines"><${Plain} text=${entry.prompt || entry.event} /></span>
      <span class="row-facts"><span class=${`badge${entry.shown.length && !entry.late ? " good" : ""}`}>${outcome}</span>${entry.withheld.length > 0 && html`<span>${entry.withheld.length} withheld</span>`}
        <span>${entry.event === "search" ? `search by ${writer(entry.assistant)}` : writer(entry.assistant)}</span><span>${entry.project}</span>${entry.tokens !== undefined && html`<span>${counted(entry.tokens, "token")}</span>`}<span>${entry.took_ms.toFixed(0)} ms</span><${When} time=${entry.at} /></span></summary>
    ${isOpen && html`<div class="entry-body">
      ${entry.nothing && html`<p>${inWords(entry.nothing)}</p>`}
      ${entry.late && html`<p>It was found, but too late for the assistant to wait.</p>`}
      ${entry.shown.length > 0 && html`<h3>Shown</h3><ul role="list">${entry.shown.map((/** @type {any} */ one) => html`<${Logged} logged=${one} prompt=${entry.prompt} again=${again} />`)}</ul>`}
      ${entry.withheld.length > 0 && html`<h3>Withheld</h3><ul role="list">${entry.withheld.map((/** @type {any} */ one) => html`<${Logged} logged=${one} prompt=${entry.prompt} again=${again} />`)}</ul>`}
      ${entry.prompt && html`<p><a href=${href("recall", { prompt: entry.prompt, project: entry.project })}>Try this prompt now</a></p>`}
    </div>`}
  </details></li>`;
}

/** @param {{params: Record<string, string>}} props */
export function Recall({ params }) {
  const projects = useLoaded((signal) => get("/projects", {}, signal), []);
  const hasLog = can("GET", "/recall/log");
  const log = useLoaded(async (signal) => (hasLog ? get("/recall/log", { limit: LOGGED, only: params.only }, signal) : null), [params.only]);
  useWhileSeen(() => hasLog && log.again(), 8000);
  const known = projects.data?.projects || [];
  const entries = log.data?.recalls || [];
  if (!can("POST", "/recall/preview")) return html`<${Screen} title="Recall"><${Empty} title="Recall is switched off."><p>The plugin <code>recall</code> is disabled in the settings.</p><//><//>`;
  return html`<${Screen} title="Recall" lead="What assistants were shown, what not, and why.">
    <div class="columns">
      <${Preview} params=${params} projects=${known.length ? known : [{ name: "default", memories: 0 }]} />
      ${hasLog && html`<section class="card" aria-labelledby="log-title"><div class="row spread"><h2 id="log-title">The last prompts</h2>
        <label class="inline">Only <select value=${params.only || ""} onChange=${(/** @type {any} */ event) => change({ only: event.target.value || undefined })}>
          <option value="">all</option><option value="shown">something shown</option><option value="nothing">nothing shown</option></select></label></div>
        <${Problem} error=${log.error} again=${log.again} />
        <p class="quiet" role="status">${entries.length ? `${count(entries.length)}, newest first` : ""}</p>
        ${!entries.length && !log.loading && html`<${Empty} title="No assistant has asked yet."><p>Connect an assistant with hooks, and each prompt appears here.</p><a href=${href("assistants")}>Assistants</a><//>`}
        <ul role="list" class="log">${entries.map((/** @type {any} */ entry) => html`<${Entry} key=${entry.at + entry.prompt} entry=${entry} again=${log.again} />`)}</ul>
      </section>`}
    </div>
  <//>`;
}
