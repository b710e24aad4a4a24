// What comes in and goes out: building files and folders, export and import.
import { can, get, post } from "../api.js";
import { useLoaded, useWhileSeen } from "../fresh.js";
import { html, useState } from "../lib.js";
import { meantBy, needsName, ProjectField } from "../naming.js";
import { Copy, Field, Problem, Screen, When } from "../parts.js";
import { say } from "../toast.js";
import { count, counted, listed } from "../words.js";
import { BringIn } from "./bringing.js";
import { TakeOut } from "./taking.js";

/** @param {{build: any}} props */
function Running({ build }) {
  const { phase, done, total, file } = build.progress;
  const what = phase === "embedding" ? "memories" : "files";
  return html`<div class="running"><p><strong>${build.sources.join(", ")}</strong> into ${build.project}: ${phase}</p>
    <progress max=${Math.max(1, total)} value=${done} aria-label=${`${phase}, ${done} of ${total} ${what}`}></progress>
    <p class="quiet">${count(done)} of ${count(total)} ${what}${file ? ` · ${file}` : ""}</p></div>`;
}

/** @param {{build: any}} props */
function Last({ build }) {
  const files = build.files || [];
  return html`<p><span class=${`badge${build.success ? " good" : " bad"}`}>${build.dry_run ? "only tried" : build.state}</span> <${When} time=${build.started_at} /> ${build.message}</p>
    ${files.length > 0 && html`<details><summary>${counted(files.length, "file")}</summary><div class="table-card" tabindex="0" role="group" aria-label="Files of the last build"><table><thead><tr><th scope="col">File</th><th scope="col">Outcome</th><th scope="col">Reason</th></tr></thead>
      <tbody>${files.slice(0, 500).map((/** @type {any} */ one) => html`<tr><td><code>${one.file}</code></td><td>${one.outcome}</td><td>${one.reason || ""}</td></tr>`)}</tbody></table></div></details>`}`;
}

export function InOut() {
  const projects = useLoaded((signal) => get("/projects", {}, signal), []);
  /** @type {string[]} */
  const names = (projects.data?.projects || []).map((/** @type {any} */ one) => one.name);
  const has = can("POST", "/index/build");
  const { data, error, again } = useLoaded((signal) => (has ? get("/index/build", {}, signal) : Promise.resolve({ running: [], last: null })), []);
  const [form, setForm] = useState({ sources: "", project: /** @type {string | undefined} */ (undefined) });
  const project = form.project ?? meantBy(projects.data && names);
  const [failed, setFailed] = useState("");
  const [unnamed, setUnnamed] = useState("");
  const isRunning = Boolean(data?.running.length);
  useWhileSeen(() => has && again(), isRunning ? 700 : 5000);
  const build = async (/** @type {boolean} */ dryRun) => {
    setFailed("");
    if (needsName(project, names)) return setUnnamed("Say into which project: one that is there, or a new name.");
    setUnnamed("");
    try {
      await post("/index/build", { sources: listed(form.sources, /\n/), project: project.trim() || undefined, dry_run: dryRun, wait: false });
      if (!dryRun) say("The build has begun. You may leave this page.");
      again();
    } catch (failure) {
      setFailed(failure instanceof Error ? failure.message : String(failure));
    }
  };
  const set = (/** @type {string} */ name) => (/** @type {any} */ event) => setForm((before) => ({ ...before, [name]: event.target.value }));
  return html`<${Screen} title="In and out" lead="Files become memories; memories become a file.">
    <div class="columns">
      ${has && html`<section class="card" aria-labelledby="build-title"><h2 id="build-title">Build files and folders</h2>
        <form onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); build(false); }}>
          <${Field} label="Files, folders or globs" hint="One a line, from / or ~ on: ~/notes, ~/code/app/docs/**/*.md" error=${failed}>${(/** @type {any} */ given) => html`<textarea ...${given} rows="3" required value=${form.sources} onInput=${set("sources")} />`}<//>
          <${ProjectField} names=${names} value=${project} error=${unnamed} set=${(/** @type {string} */ name) => setForm((before) => ({ ...before, project: name }))} />
          <div class="row end"><button type="button" onClick=${() => (form.sources.trim() ? build(true) : setFailed("Say which files or folders."))}>Only try it</button><button type="submit" class="main">Build</button></div>
        </form>
        <${Problem} error=${error} again=${again} />
        <div aria-live="polite">${data?.running.map((/** @type {any} */ one) => html`<${Running} build=${one} />`)}</div>
        ${data?.last && html`<h3>The last one</h3><${Last} build=${data.last} />`}
      </section>`}
      ${can("GET", "/export") && html`<${TakeOut} projects=${names} />`}
      ${can("POST", "/import") && html`<${BringIn} />`}
      <section class="card"><h2>From the command line</h2>
        <${Copy} text="faiss-memory export --to memories.jsonl" /><${Copy} text="faiss-memory import memories.jsonl" /><${Copy} text="faiss-memory build ~/notes" /></section>
    </div>
  <//>`;
}
