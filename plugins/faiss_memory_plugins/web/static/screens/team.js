// Who else works with these memories: the members with what they may do, and what was done. It is only looked at here;
// the command line adds and removes.
import { change, href } from "../address.js";
import { get } from "../api.js";
import { useLoaded, useWhileSeen } from "../fresh.js";
import { html, useState } from "../lib.js";
import { visible } from "../markdown.js";
import { Copy, Empty, Problem, Screen, When } from "../parts.js";
import { counted, exactly } from "../words.js";

const PAGE = 100;
const NAMED = 8;

/** How a token stands. @param {any} token */
function standing(token) {
  if (token.revoked_at) return html`<span class="badge">revoked</span> <${When} time=${token.revoked_at} />`;
  if (token.expires_at && new Date(token.expires_at) <= new Date()) return html`<span class="badge">expired</span> <${When} time=${token.expires_at} />`;
  return html`<span class="badge good">good</span> ${token.expires_at ? `until ${exactly(token.expires_at)}` : "without an end"}`;
}

/** @param {{one: any}} props */
function Member({ one }) {
  return html`<section class="card" aria-label=${one.name}>
    <h2>${one.name}</h2>
    <p class="quiet">Since <${When} time=${one.created_at} /></p>
    <h3>May</h3>
    ${one.grants.length ? html`<dl class="facts">${one.grants.map((/** @type {any} */ grant) => html`<dt>${grant.can}</dt><dd>${grant.project === "*" ? "every project" : html`<a href=${href("memories", { project: grant.project })}>${grant.project}</a>`}</dd>`)}</dl>` : html`<p>Nothing yet.</p><${Copy} text=${`faiss-memory team grant ${one.name} PROJECT read`} />`}
    <h3>Tokens</h3>
    ${one.tokens.length ? html`<ul class="plain-list">${one.tokens.map((/** @type {any} */ token) => html`<li key=${token.id}><code>${token.id}</code> ${standing(token)}</li>`)}</ul>` : html`<p>None.</p><${Copy} text=${`faiss-memory team token ${one.name}`} />`}
    ${one.subjects.length > 0 && html`<h3>Signs in as</h3><ul class="plain-list">${one.subjects.map((/** @type {string} */ subject) => html`<li>${visible(subject)}</li>`)}</ul>`}
  </section>`;
}

/** Which memories an entry is about. @param {{entry: any}} props */
function About({ entry }) {
  const shown = entry.ids.slice(0, NAMED);
  const left = entry.count - shown.length;
  return html`${visible(entry.about)} ${shown.map((/** @type {number} */ id) => html`<a href=${href("memories", { id, state: "all" })}>${id}</a> `)}${left > 0 ? html`<span class="quiet">${shown.length ? "and " : ""}${counted(left, shown.length ? "more" : "memory", shown.length ? "more" : "memories")}</span>` : ""}`;
}

/** @param {{params: Record<string, string>, names: string[]}} props */
function Log({ params, names }) {
  const [before, setBefore] = useState(/** @type {any[]} */ ([]));
  const { data, error, again } = useLoaded((signal) => get("/team/log", { limit: PAGE, actor: params.actor }, signal), [params.actor]);
  useWhileSeen(() => before.length || again(), 8000);
  const latest = data?.entries || [];
  const entries = [...latest, ...before];
  const last = entries[entries.length - 1];
  const mayBeMore = (before.length || latest.length) % PAGE === 0 && entries.length > 0;
  const older = async () => {
    const { entries: found } = await get("/team/log", { limit: PAGE, actor: params.actor, before: last.id });
    setBefore([...before, ...found]);
  };
  return html`<section class="card table-card" aria-labelledby="log-title" tabindex="0"><div class="row spread"><h2 id="log-title">What was done</h2>
      <label class="inline">By <select value=${params.actor || ""} onChange=${(/** @type {any} */ event) => { setBefore([]); change({ actor: event.target.value || undefined }, true); }}>
        <option value="">anybody</option><option value="owner">the owner</option>${names.map((name) => html`<option value=${name}>${name}</option>`)}</select></label></div>
    <p class="quiet">Never a text, and no searches.</p>
    <${Problem} error=${error} again=${again} />
    ${data && !entries.length && html`<${Empty} title="Nothing yet." />`}
    ${entries.length > 0 && html`<table><thead><tr><th scope="col">When</th><th scope="col">Who</th><th scope="col">What</th><th scope="col" class="minor">Where</th><th scope="col">About</th></tr></thead>
      <tbody>${entries.map((entry) => html`<tr key=${entry.id}><td><${When} time=${entry.time} /></td><td>${visible(entry.actor)}</td><td>${entry.action}</td><td class="minor">${entry.projects.join(", ")}</td><td class="any"><${About} entry=${entry} /></td></tr>`)}</tbody></table>`}
    ${mayBeMore && html`<p><button type="button" class="plain" onClick=${older}>Older ones</button></p>`}
  </section>`;
}

/** @param {{params: Record<string, string>}} props */
export function Team({ params }) {
  const { data, error, again } = useLoaded((signal) => get("/team", {}, signal), []);
  const members = data?.members || [];
  return html`<${Screen} title="Team" lead="Who else works with these memories, and what was done. Members are added, and given rights, on the command line.">
    <${Problem} error=${error} again=${again} />
    ${data && !members.length && html`<${Empty} title="Nobody else yet."><${Copy} text="faiss-memory team add NAME" /><//>`}
    <div class="ways">${members.map((/** @type {any} */ one) => html`<${Member} key=${one.name} one=${one} />`)}</div>
    ${data && html`<${Log} params=${params} names=${members.map((/** @type {any} */ one) => one.name)} />`}
  <//>`;
}
