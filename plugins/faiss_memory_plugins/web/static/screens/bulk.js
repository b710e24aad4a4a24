// What is done to all that are selected.
import { changeEach, move } from "../actions.js";
import { can } from "../api.js";
import { html, useState } from "../lib.js";
import { ProjectField, useProjects } from "../naming.js";
import { Dialog, Field } from "../parts.js";
import { attempt } from "../toast.js";
import { count, counted, listed } from "../words.js";

/** @typedef {import("../api.js").Memory} Memory */

/** @param {{title: string, label: string, action: string, close: () => void, run: (typed: string) => Promise<unknown>, field?: any}} props `field` asks for more than any words */
function AskFor({ title, label, action, close, run, field }) {
  const [typed, setTyped] = useState("");
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (typed.trim() && (await attempt(() => run(typed.trim())))) close();
  };
  return html`<${Dialog} title=${title} close=${close}><form onSubmit=${submit}>
    ${field ? html`<${field} value=${typed} set=${setTyped} />` : html`<${Field} label=${label}>${(/** @type {any} */ given) => html`<input ...${given} autocomplete="off" value=${typed} onInput=${(/** @type {any} */ event) => setTyped(event.target.value)} />`}<//>`}
    <div class="row end"><button type="button" onClick=${close}>Cancel</button><button type="submit" class="main">${action}</button></div>
  </form><//>`;
}

/** Where to move them to. @param {{value: string, set: (name: string) => void}} props */
const Where = ({ value, set }) => html`<${ProjectField} names=${useProjects()} value=${value} set=${set} />`;

/** @param {{chosen: Memory[], all: number, chooseAll: () => void, clear: () => void, forget: () => void, after: () => void}} props */
export function Bulk({ chosen, all, chooseAll, clear, forget, after }) {
  const [asking, setAsking] = useState("");
  const what = counted(chosen.length, "memory", "memories");
  const done = () => {
    clear();
    after();
  };
  const addTags = (/** @type {string} */ typed) => {
    const tags = listed(typed);
    return changeEach(chosen, (one) => ({ tags: [...new Set([...one.tags, ...tags])] }), (one) => ({ tags: one.tags }), `${what} tagged ${tags.join(", ")}.`, done);
  };
  const dropTags = (/** @type {string} */ typed) => {
    const tags = listed(typed);
    return changeEach(chosen, (one) => ({ tags: one.tags.filter((tag) => !tags.includes(tag)) }), (one) => ({ tags: one.tags }), `${tags.join(", ")} taken from ${what}.`, done);
  };
  return html`<div class="bulk" role="toolbar" aria-label="What to do with those selected">
    <span role="status">${chosen.length} selected</span>
    <button type="button" class="small" onClick=${() => setAsking("tag")}>Tag…</button>
    <button type="button" class="small" onClick=${() => setAsking("untag")}>Untag…</button>
    ${can("POST", "/memory/move") && html`<button type="button" class="small" onClick=${() => setAsking("move")}>Move…</button>`}
    <button type="button" class="small" onClick=${forget}>Forget</button>
    ${chosen.length < all && html`<button type="button" class="plain small" onClick=${chooseAll}>Select all ${count(all)}</button>`}
    <button type="button" class="plain small" onClick=${clear}>Select none</button>
    ${asking === "tag" && html`<${AskFor} title=${`Tag ${what}`} label="Tags to add, with commas" action="Tag" close=${() => setAsking("")} run=${addTags} />`}
    ${asking === "untag" && html`<${AskFor} title=${`Take tags from ${what}`} label="Tags to take away" action="Untag" close=${() => setAsking("")} run=${dropTags} />`}
    ${asking === "move" && html`<${AskFor} title=${`Move ${what}`} label="Project" field=${Where} action="Move" close=${() => setAsking("")} run=${(/** @type {string} */ project) => move(chosen, project, done)} />`}
  </div>`;
}
