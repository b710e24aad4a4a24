// Which assistants there are, when each last asked, and the command that connects it. Writing their files stays with
// the command line.
import { href } from "../address.js";
import { can, get } from "../api.js";
import { useLoaded } from "../fresh.js";
import { html, useState } from "../lib.js";
import { visible } from "../markdown.js";
import { Copy, Problem, Screen, When } from "../parts.js";
import { counted } from "../words.js";

/** @param {{name: string}} props */
function Files({ name }) {
  const { data, error, again } = useLoaded((signal) => get(`/adapters/${encodeURIComponent(name)}/files`, {}, signal), [name]);
  return html`<${Problem} error=${error} again=${again} />
    ${data?.files.map((/** @type {any} */ file) => html`<details class="file"><summary><code>${file.path}</code> <span class="quiet">${file.kind}${file.keys.length ? `: ${file.keys.join(" › ")}` : ""}</span></summary>
      <pre class="raw" tabindex="0">${visible(file.text)}</pre></details>`)}`;
}

/** @param {{one: any, ledger: Record<string, any>, installed: any[]}} props */
function Assistant({ one, ledger, installed }) {
  const [isOpen, setOpen] = useState(false);
  const events = Object.values(ledger[one.name] || {}).flatMap((project) => Object.values(project));
  const fired = events.reduce((sum, event) => sum + event.fired, 0);
  const last = events.map((event) => event.last_fired).sort().pop();
  const hasHook = one.routes.some((/** @type {string} */ route) => route.endsWith("/hook"));
  return html`<section class="card assistant" aria-label=${one.title}>
    <h2>${one.title}</h2>
    <p>${last ? html`<span class="badge good">in use</span> Last asked <${When} time=${last} />, ${counted(fired, "time")} in all.` : hasHook ? html`<span class="badge">not heard of yet</span>` : html`<span class="quiet">How often it asks is not counted.</span>`}</p>
    ${installed.map((place) => html`<details><summary>Connected: ${place.scope}${place.project ? `, ${place.project}` : ""}</summary>
      <ul class="plain-list">${place.files.map((/** @type {any} */ file) => html`<li><code>${file.path}</code> <span class="badge">${file.state}</span></li>`)}</ul>
      ${place.steps.map((/** @type {string} */ step) => html`<p class="note">${step}</p>`)}</details>`)}
    <${Copy} text=${`faiss-memory install ${one.name}`} />
    <details onToggle=${(/** @type {any} */ event) => setOpen(event.target.open)}><summary>What that writes</summary>${isOpen && html`<${Files} name=${one.name} />`}</details>
  </section>`;
}

export function Assistants() {
  const { data, error, again } = useLoaded(async (signal) => {
    const [adapters, stats] = await Promise.all([get("/adapters", {}, signal), get("/stats", {}, signal)]);
    const overview = can("GET", "/overview") ? await get("/overview", {}, signal) : null;
    return { adapters: adapters.adapters, installed: overview?.assistants || [], ledger: stats.plugins?.recall || {} };
  }, []);
  return html`<${Screen} title="Assistants" lead="Copy the command, and run it in the project's folder. It shows what it will write before it writes it.">
    <${Problem} error=${error} again=${again} />
    <div class="ways">${data?.adapters.map((/** @type {any} */ one) => html`<${Assistant} key=${one.name} one=${one} ledger=${data.ledger} installed=${data.installed.filter((/** @type {any} */ place) => place.name === one.name)} />`)}</div>
    <section class="card"><h2>Something does not work?</h2><p>This examines the service, and each installed assistant's way to it.</p><${Copy} text="faiss-memory doctor" />
      <p>And this says what is installed, edited or outdated.</p><${Copy} text="faiss-memory status" />
      <p><a href=${href("recall")}>What assistants were shown</a></p></section>
  <//>`;
}
