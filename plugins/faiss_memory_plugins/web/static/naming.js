// Naming a project: those that there are are offered, and none is taken for granted that is not there.
import { get } from "./api.js";
import { useLoaded } from "./fresh.js";
import { html, useId } from "./lib.js";
import { Field } from "./parts.js";

const USUAL = "default";

/** The names of the projects that there are; null until they are known. @returns {string[] | null} */
export function useProjects() {
  const { data } = useLoaded((signal) => get("/projects", {}, signal), []);
  return data && data.projects.map((/** @type {any} */ one) => one.name);
}

/** Which project is meant where nobody has named one: none, if it is not clear. @param {string[] | null} names */
export const meantBy = (names) => (!names ? "" : names.includes(USUAL) ? USUAL : names.length === 1 ? names[0] : "");

/** What is asked for where no project is named: the first memory of all needs no name for it. @param {string} name @param {string[] | null} names */
export const needsName = (name, names) => !name.trim() && names !== null && names.length > 0;

/** A field for the name of a project. @param {{names: string[] | null, value: string, set: (name: string) => void, label?: string, hint?: string, error?: string}} props */
export function ProjectField({ names, value, set, label = "Project", hint, error }) {
  const id = useId();
  return html`<${Field} label=${label} hint=${hint} error=${error}>${(/** @type {any} */ given) => html`<input ...${given} list=${id} autocomplete="off" placeholder=${names?.length ? "" : USUAL} value=${value} onInput=${(/** @type {any} */ event) => set(event.target.value)} />
    <datalist id=${id}>${(names || []).map((name) => html`<option value=${name} />`)}</datalist>`}<//>`;
}
