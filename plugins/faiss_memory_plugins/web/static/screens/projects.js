// Projects and tags: what there is, and putting names in order.
import { href } from "../address.js";
import { ask, can, get, post } from "../api.js";
import { current, Kept, supersededOf } from "../counting.js";
import { useLoaded } from "../fresh.js";
import { html, useId, useState } from "../lib.js";
import { visible } from "../markdown.js";
import { Confirm, Dialog, Empty, Field, Problem, Screen, When } from "../parts.js";
import { attempt, say } from "../toast.js";
import { count, counted } from "../words.js";

/** @param {{title: string, hint: string, before: string, names: string[], into?: boolean, close: () => void, run: (to: string, isMerge: boolean) => Promise<unknown>}} props `into` asks for a name that is there */
function Rename({ title, hint, before, names, into, close, run }) {
  const [to, setTo] = useState(into ? "" : before);
  const id = useId();
  const isMerge = to.trim() !== before && names.includes(to.trim());
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (to.trim() && to.trim() !== before && (await attempt(() => run(to.trim(), isMerge)))) close();
  };
  return html`<${Dialog} title=${title} close=${close}><form onSubmit=${submit}>
    <${Field} label=${into ? "Into" : "New name"} hint=${into ? "One that is there." : hint}>${(/** @type {any} */ given) => html`<input ...${given} list=${id} autocomplete="off" value=${to} onInput=${(/** @type {any} */ event) => setTo(event.target.value)} />
      <datalist id=${id}>${names.filter((name) => name !== before).map((name) => html`<option value=${name} />`)}</datalist>`}<//>
    <p role="status">${isMerge ? `${before} and ${to.trim()} become one: no renaming undoes that, but a backup made before does.` : ""}</p>
    <div class="row end"><button type="button" onClick=${close}>Cancel</button><button type="submit" class="main" disabled=${into && !isMerge}>${isMerge || into ? "Merge" : "Rename"}</button></div></form><//>`;
}

export function Projects() {
  const projects = useLoaded((signal) => get("/projects", {}, signal), []);
  const now = useLoaded(current, []);
  const tags = useLoaded((signal) => get("/tags", { project: "*" }, signal), []);
  const [asking, setAsking] = useState(/** @type {any} */ (null));
  const all = projects.data?.projects || [];
  const used = tags.data?.tags || [];
  const again = () => {
    projects.again();
    now.again();
    tags.again();
  };
  const close = () => setAsking(null);
  const renameProject = async (/** @type {string} */ to, /** @type {boolean} */ merge) => {
    const { moved } = await post(`/projects/${encodeURIComponent(asking.name)}/rename`, { to, ...(merge ? { merge } : {}) });
    say(merge ? `${asking.name} is merged into ${to}, with ${counted(moved, "memory", "memories")}.` : `${asking.name} is now ${to}: ${counted(moved, "memory", "memories")}.`);
    again();
  };
  const renameTag = async (/** @type {string} */ to) => {
    const { changed } = await post("/tags/rename", { from: asking.tag, to });
    say(`${asking.tag} is now ${to}, on ${counted(changed, "memory", "memories")}.`, used.some((/** @type {any} */ one) => one.tag === to) ? undefined : async () => {
      await post("/tags/rename", { from: to, to: asking.tag });
      again();
    });
    again();
  };
  const drop = async () => {
    const { forgotten } = await ask("DELETE", `/projects/${encodeURIComponent(asking.name)}`);
    say(`${asking.name} is forgotten, with ${counted(forgotten, "memory", "memories")}. Backups made before still hold it.`);
    again();
  };
  return html`<${Screen} title="Projects and tags" lead="A project is a separate index; a tag groups memories across projects.">
    <${Problem} error=${projects.error || tags.error} again=${again} />
    <div class="columns wide-first">
      <section class="card table-card" aria-labelledby="projects-title"><h2 id="projects-title" tabindex="-1">Projects</h2>
        ${!all.length && !projects.loading && html`<${Empty} title="No project yet."><p>It comes into being with its first memory.</p><//>`}
        ${all.length > 0 && html`<table class="named"><thead><tr><th scope="col">Name</th><th scope="col" class="num">Memories</th><th scope="col" class="minor">Last change</th><th scope="col"><span class="unseen">What to do</span></th></tr></thead>
        <tbody>${all.map((/** @type {any} */ one) => html`<tr key=${one.name}><td><a href=${href("memories", { project: one.name })}>${one.name}</a></td><td class="num"><${Kept} total=${one.memories} superseded=${supersededOf(now.data, one)} /></td><td class="minor"><${When} time=${one.last_updated} /></td>
          <td class="row end">${can("POST", "/projects/{name}/rename") && html`<button type="button" class="small" aria-label=${`Rename ${one.name}`} onClick=${() => setAsking({ kind: "project", ...one })}>Rename…</button>
          ${all.length > 1 && html`<button type="button" class="small" aria-label=${`Merge into another: ${one.name}`} onClick=${() => setAsking({ kind: "project", into: true, ...one })}>Merge into…</button>`}`}
          <button type="button" class="small" aria-label=${`Forget ${one.name}`} onClick=${() => setAsking({ kind: "drop", ...one })}>Forget…</button></td></tr>`)}</tbody></table>`}
      </section>
      <section class="card table-card" aria-labelledby="tags-title"><h2 id="tags-title" tabindex="-1">Tags</h2>
        ${!used.length && !tags.loading && html`<${Empty} title="No tag yet." />`}
        ${used.length > 0 && html`<table><thead><tr><th scope="col">Tag</th><th scope="col" class="num">Memories</th>${can("POST", "/tags/rename") && html`<th scope="col"><span class="unseen">What to do</span></th>`}</tr></thead>
        <tbody>${used.slice(0, 300).map((/** @type {any} */ one) => html`<tr key=${one.tag}><td><a href=${href("memories", { tag: one.tag })}>${visible(one.tag)}</a></td><td class="num">${count(one.count)}</td>
          ${can("POST", "/tags/rename") && html`<td class="row end"><button type="button" class="small" aria-label=${`Rename ${one.tag}`} onClick=${() => setAsking({ kind: "tag", ...one })}>Rename…</button></td>`}</tr>`)}</tbody></table>`}
      </section>
    </div>
    ${asking?.kind === "project" && html`<${Rename} title=${asking.into ? `Merge ${asking.name} into another` : `Rename ${asking.name}`} into=${asking.into} hint="Small letters, digits, dots, dashes." before=${asking.name} names=${all.map((/** @type {any} */ one) => one.name)} close=${close} run=${renameProject} />`}
    ${asking?.kind === "tag" && html`<${Rename} title=${`Rename ${asking.tag}`} hint="In all projects." before=${asking.tag} names=${used.map((/** @type {any} */ one) => one.tag)} close=${close} run=${renameTag} />`}
    ${asking?.kind === "drop" && html`<${Confirm} title=${`Forget ${asking.name}?`} action="Forget it" word=${asking.name} close=${close} run=${drop}>
      <p><strong>${counted(asking.memories, "memory", "memories")}</strong> leave every answer. Backups made before still hold them.</p><//>`}
  <//>`;
}
