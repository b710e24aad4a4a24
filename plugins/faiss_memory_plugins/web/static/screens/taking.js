// Taking memories away as a file, of a format and a choice of one's own: a link, so that the browser writes the file.
import { can } from "../api.js";
import { html, useState } from "../lib.js";
import { Field } from "../parts.js";
import { listed } from "../words.js";

const FORMATS = {
  jsonl: "Bundle (JSON lines)", json: "JSON", csv: "CSV", markdown: "Markdown (zip)",
};

/** @param {{projects: string[]}} props */
export function TakeOut({ projects }) {
  const [form, setForm] = useState({ format: "jsonl", project: "*", tags: "", source: "", after: "", before: "", superseded: true });
  const set = (/** @type {string} */ name) => (/** @type {any} */ event) => setForm((old) => ({ ...old, [name]: event.target.value }));
  const query = new URLSearchParams({ format: form.format, project: form.project, include_superseded: String(form.superseded) });
  for (const tag of listed(form.tags)) query.append("tags", tag);
  for (const name of /** @type {const} */ (["source", "after", "before"])) {
    const given = form[name].trim();
    if (given) query.set(name, name === "source" ? given : `${given}T00:00:00Z`);
  }
  const field = (/** @type {"tags" | "source" | "after" | "before"} */ name, /** @type {string} */ label, /** @type {string} */ hint, type = "text") => html`
    <${Field} label=${label} hint=${hint}>${(/** @type {any} */ given) => html`<input ...${given} type=${type} value=${form[name]} onInput=${set(name)} />`}<//>`;
  return html`<section class="card" aria-labelledby="export-title"><h2 id="export-title">Take memories out</h2>
    <div class="two-fields">
      <${Field} label="Format" hint="A bundle can be merged with what another machine has.">${(/** @type {any} */ given) => html`<select ...${given} value=${form.format} onChange=${set("format")}>
        ${Object.entries(FORMATS).map(([name, says]) => html`<option value=${name}>${says}</option>`)}</select>`}<//>
      <${Field} label="From project">${(/** @type {any} */ given) => html`<select ...${given} value=${form.project} onChange=${set("project")}>
        <option value="*">All projects</option>${projects.map((name) => html`<option value=${name}>${name}</option>`)}</select>`}<//>
    </div>
    <details><summary>Only some of them</summary>
      <div class="two-fields">${field("tags", "Tags", "Any of them: a, b")}${field("source", "Source", "A glob: docs/*.md")}
        ${field("after", "From", "Midnight in UTC", "date")}${field("before", "Before", "Midnight in UTC", "date")}</div>
      <label class="check"><input type="checkbox" checked=${form.superseded} onChange=${(/** @type {any} */ event) => setForm((old) => ({ ...old, superseded: event.target.checked }))} /> Also what a newer one supersedes</label>
    </details>
    <p><a class="button main" href=${`/export?${query}`} download>Export</a></p>
    ${can("GET", "/archive") && html`<h3>All of it, with every backup</h3>
    <p>One file that takes the place of a whole store elsewhere; it is brought in under Backups.</p>
    <p><a class="button" href="/archive" download>Download the archive</a></p>`}</section>`;
}
