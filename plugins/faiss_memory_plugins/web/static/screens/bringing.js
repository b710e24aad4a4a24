// Bringing memories in: what would be done is said first, and then just that is done.
import { told } from "../api.js";
import { applied, isBundle, MOST_BYTES, previewed, readBundle } from "../bundle.js";
import { html, useEffect, useRef, useState } from "../lib.js";
import { Plain } from "../markdown.js";
import { Copy, Problem } from "../parts.js";
import { say } from "../toast.js";
import { count } from "../words.js";

/** What is said of outcomes, those first by which something is done. @type {Record<string, string>} */
const OUTCOMES = {
  new: "New", changed: "Changed there", back: "To come back", forget: "To be forgotten", purge: "To be purged, for good", noted: "Gone there and never met here",
  known: "Known", kept: "Changed here, and stay so", conflict: "Say something else here, and stay so", forgotten: "Forgotten here", purged: "Purged here",
  superseded: "Superseded by what is not there", "left out": "Left out",
};
const NAMED = 50;

/** @param {{report: import("../bundle.js").Report}} props */
function Counts({ report }) {
  const { counts, refused, left, masked } = report;
  const secrets = Object.entries(masked).map(([kind, number]) => `${kind} (${count(number)})`);
  const rows = Object.keys(OUTCOMES).filter((one) => counts[one]);
  return html`<dl class="facts">${rows.map((one) => html`<dt>${OUTCOMES[one]}</dt><dd>${count(counts[one])}</dd>`)}
      ${Object.entries(refused).map(([lacking, number]) => html`<dt>${lacking}</dt><dd>${count(number)}</dd>`)}
      ${secrets.length > 0 && html`<dt>Masked secrets</dt><dd>${secrets.sort().join(", ")}</dd>`}</dl>
    ${!rows.length && html`<p>There is nothing in it.</p>`}
    ${left.length > 0 && html`<details><summary>What is not taken as it is there, and why (${count(left.length)})</summary>
      <ul>${left.slice(0, NAMED).map((one) => html`<li><code>${one.name}</code>: <${Plain} text=${one.reason} /></li>`)}</ul>
      ${left.length > NAMED && html`<p>… and ${count(left.length - NAMED)} more.</p>`}</details>`}`;
}

export function BringIn() {
  const [at, setAt] = useState(/** @type {any} */ ({ step: "choose" }));
  const [problem, setProblem] = useState("");
  const action = useRef(/** @type {HTMLButtonElement | null} */ (null));
  useEffect(() => action.current?.focus(), [at.step]);
  const isBusy = at.step === "looking" || at.step === "importing";

  /** @param {string} step @param {any} more @param {(tell: import("../bundle.js").Tell) => Promise<any>} run */
  const doing = async (step, more, run) => {
    setProblem("");
    setAt({ ...more, step, done: 0, total: 0 });
    try {
      setAt({ ...more, ...await run((done, total) => setAt({ ...more, step, done, total })) });
    } catch (error) {
      setProblem(`${told(error)}${step === "importing" ? " What was stored before that is known when you choose the file again." : ""}`);
      setAt({ step: "choose" });
    }
  };
  const look = (/** @type {File} */ file) => doing("looking", { name: file.name }, async (tell) => {
    if (!await isBundle(file) || file.size > MOST_BYTES) return { step: "elsewhere" };
    const { lines, report } = await readBundle(file);
    return { step: "asking", ...await previewed(lines, report, tell) };
  });
  const run = () => doing("importing", { name: at.name }, async (tell) => {
    const report = await applied(at.plan, tell);
    say(`${at.name} is imported.`);
    return { step: "done", report };
  });
  const choose = (/** @type {any} */ event) => {
    const file = event.target.files[0];
    event.target.value = "";
    if (file) look(file);
  };
  return html`<section class="card" aria-labelledby="import-title"><h2 id="import-title">Bring memories in</h2>
    <p>A bundle (JSON lines) of this or another machine is merged: of each memory the later state counts. First you see what would be done.</p>
    <p><label class="button file">Choose a file<input type="file" accept=".jsonl,.json,.csv,.md,.markdown,.zip" disabled=${isBusy} onChange=${choose} /></label></p>
    <${Problem} error=${problem} />
    <div aria-live="polite">
      ${isBusy && html`<div class="running"><p>${at.step === "looking" ? "Looking at" : "Importing"} ${at.name}…</p>
        <progress max=${Math.max(1, at.total)} value=${at.done} aria-label=${`${at.done} of ${at.total} memories`}></progress></div>`}
      ${at.step === "elsewhere" && html`<p>${at.name} is no bundle that a page can merge. The command line reads JSON, CSV, Markdown, large bundles and what other programs keep, and asks as well before it stores:</p>
        <${Copy} text=${`faiss-memory import ${at.name.includes(" ") ? `"${at.name}"` : at.name}`} />`}
      ${at.step === "asking" && html`<h3>What would be done with ${at.name}</h3><${Counts} report=${at.report} />
        ${!at.writes && html`<p>${at.report.counts.refused ? "You may write nothing of what is new" : "All of it is here already"}: nothing is to be done.</p>`}`}
      ${at.step === "done" && html`<h3>Done with ${at.name}</h3><${Counts} report=${at.report} />`}
    </div>
    ${at.step === "asking" && html`<div class="row end"><button type="button" onClick=${() => setAt({ step: "choose" })}>Cancel</button>
      ${at.writes > 0 && html`<button type="button" class="main" ref=${action} onClick=${run}>Import just that</button>`}</div>`}
  </section>`;
}
