// The form for a memory: to correct one, to write one that supersedes it, or to add one.
import { correct, maskedIn, read } from "../actions.js";
import { change as changeAddress, go, here, href } from "../address.js";
import { can, post, Refused, told } from "../api.js";
import { draftOf, keepDraft } from "../drafts.js";
import { lookNow } from "../fresh.js";
import { useKeys } from "../keys.js";
import { html, useEffect, useRef, useState } from "../lib.js";
import { meantBy, needsName, ProjectField, useProjects } from "../naming.js";
import { Field, Problem, Screen } from "../parts.js";
import { attempt, say } from "../toast.js";
import { endOf, lastDay, listed } from "../words.js";

/** @typedef {import("../api.js").Memory} Memory */

const LEADS = {
  correct: "It stays the same memory; what it said before is not kept.",
  supersede: "Write what holds now. The one before stays as history, and searches leave it out.",
  add: "",
};

/** @param {Partial<Memory>} memory */
const written = (memory) => ({
  text: memory.text || "", tags: (memory.tags || []).join(", "), source: memory.source || "", cues: (memory.cues || []).join("\n"),
  metadata: memory.metadata && Object.keys(memory.metadata).length ? JSON.stringify(memory.metadata, null, 2) : "",
  last_day: lastDay(memory.valid_until),
});

/** @param {ReturnType<typeof written>} form */
function meant(form) {
  let metadata;
  try {
    metadata = form.metadata.trim() ? JSON.parse(form.metadata) : {};
  } catch {
    throw new Refused(400, { description: "The properties are not JSON, such as {\"ticket\": \"A-12\"}.", field: "metadata" });
  }
  return { text: form.text, tags: listed(form.tags), source: form.source.trim(), cues: listed(form.cues, /\n/), metadata, last_day: form.last_day };
}

const FIELDS = /** @type {const} */ (["text", "tags", "source", "cues", "metadata"]);

/** What a new memory is made of. @param {ReturnType<typeof meant>} form */
const fresh = ({ last_day: day, ...form }) => ({ ...form, ...(day ? { valid_until: endOf(day) } : {}) });

/** How the end of its validity is given; with none, it is taken away. @param {string | undefined} time */
const ending = (time) => (time ? { valid_until: time } : { forever: true });

/** What of a form differs from what was there. @param {ReturnType<typeof meant>} now @param {Memory} before @returns {Record<string, any>} */
function differing(now, before) {
  const change = Object.fromEntries(FIELDS.filter((name) => !isSame(now[name], before[name])).map((name) => [name, now[name]]));
  return now.last_day === lastDay(before.valid_until) ? change : { ...change, ...ending(now.last_day && endOf(now.last_day)) };
}

/** What undoes a change. @param {Record<string, any>} change @param {Memory} before */
function undoing(change, before) {
  const back = Object.fromEntries(FIELDS.filter((name) => name in change).map((name) => [name, before[name]]));
  return "valid_until" in change || "forever" in change ? { ...back, ...ending(before.valid_until) } : back;
}

const isSame = (/** @type {unknown} */ one, /** @type {unknown} */ other) => JSON.stringify(one) === JSON.stringify(other);

/** What another has done to it, since it was opened. @param {Memory} opened @param {Memory | null} now */
function meanwhile(opened, now) {
  if (!now) return "It was forgotten meanwhile.";
  const differs = [...FIELDS, /** @type {const} */ ("valid_until")].some((name) => !isSame(opened[name], now[name]));
  return differs ? "Somebody else has changed it since you opened it. Save once more to replace that, or cancel to see it." : "";
}

/** @param {{memory: Memory, kind: string, close: () => void, done: (saved?: Memory) => void, changed: () => void}} props */
export function Edit({ memory, kind, close, done, changed }) {
  const name = `${kind} ${memory.id}`;
  // (A draft is about the memory as it was then: what another has done to it since is told when it is saved.)
  const [opened, setOpened] = useState(draftOf(name)?.opened || memory);
  const save = async (/** @type {ReturnType<typeof meant>} */ now) => {
    const current = await read(opened.id);
    const warning = meanwhile(opened, current);
    if (warning) {
      if (current) setOpened(current);
      throw new Error(warning);
    }
    if (kind === "supersede") {
      const added = await post("/memory/add", { ...fresh(now), project: opened.project, supersedes: opened.id });
      keepDraft(name);
      changed();
      changeAddress({ id: added.id, edit: undefined }, true);
      say(`Memory ${added.id} supersedes ${opened.id}.${maskedIn(added)}`, async () => {
        changeAddress({ id: undefined }, true); // (what is still asked about it would not be found)
        await post("/memory/forget", { ids: [added.id] });
        changeAddress({ id: opened.id }, true);
        changed();
        say(`Memory ${opened.id} holds again.`);
      });
      return;
    }
    const change = differing(now, opened);
    const saved = Object.keys(change).length ? await correct(opened.id, change) : undefined;
    keepDraft(name);
    if (!saved) return done();
    say(`Corrected.${maskedIn(saved)}`, async () => {
      done(await correct(opened.id, undoing(change, opened)));
      say("As it was before.");
    });
    done(saved);
  };
  // What supersedes something that is over is not over itself.
  const begun = kind === "supersede" && memory.state === "expired" ? { ...memory, valid_until: undefined } : memory;
  return html`<${Form} memory=${begun} lead=${LEADS[/** @type {keyof typeof LEADS} */ (kind)]} action=${kind === "supersede" ? "Supersede" : "Save"} save=${save}
    draft=${draftOf(name)?.form} keep=${(/** @type {any} */ form) => keepDraft(name, form && { form, opened })} drop=${() => setOpened(memory)} close=${close} />`;
}

/**
 * @param {{memory: Partial<Memory>, lead: string, action: string, save: (now: ReturnType<typeof meant>) => Promise<unknown> | void, close: () => void, children?: any,
 * draft?: ReturnType<typeof written>, keep: (form?: ReturnType<typeof written>) => void, drop?: () => void}} props `keep` is told what is typed and not saved, `drop` that
 * nobody wants it
 */
function Form({ memory, lead, action, save, close, children, draft, keep, drop }) {
  const [form, setForm] = useState(() => draft || written(memory));
  const [isDraft, setDraft] = useState(Boolean(draft));
  const [failed, setFailed] = useState({ field: "", text: "" });
  const [isBusy, setBusy] = useState(false);
  const box = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  useEffect(() => box.current?.focus(), []);
  const set = (/** @type {string} */ name) => (/** @type {any} */ event) => {
    const now = { ...form, [name]: event.target.value };
    setForm(now);
    keep(isSame(now, written(memory)) ? undefined : now);
  };
  const dropIt = () => {
    setForm(written(memory));
    setDraft(false);
    keep();
    drop?.();
    box.current?.focus();
  };
  const cancel = () => {
    keep();
    close();
  };
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    setFailed({ field: "", text: "" });
    try {
      await save(meant(form));
    } catch (error) {
      const field = error instanceof Refused ? error.field.split(/[.[]/)[0] : "";
      setFailed({ field, text: told(error) });
    }
    setBusy(false);
  };
  const of = (/** @type {string} */ name) => (failed.field === name ? failed.text : "");
  const isElsewhere = failed.text && ![...FIELDS, "valid_until"].includes(failed.field);
  return html`<form class="edit" onSubmit=${submit} onKeyDown=${(/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) submit(event);
    }}>
    ${lead && html`<p class="lead">${lead}</p>`}
    ${isDraft && html`<p class="note" role="status">This is a draft: it was typed before, and not saved. <button type="button" class="small" onClick=${dropIt}>Drop it</button></p>`}
    ${children}
    <${Field} label="Text" error=${of("text")}>${(/** @type {any} */ given) => html`<textarea ...${given} ref=${box} rows="5" required dir="auto" value=${form.text} onInput=${set("text")} />`}<//>
    <div class="two-fields">
      <${Field} label="Tags" hint="With commas between them." error=${of("tags")}>${(/** @type {any} */ given) => html`<input ...${given} value=${form.tags} onInput=${set("tags")} autocomplete="off" />`}<//>
      <${Field} label="True to the end of" hint="A day, if it ends. Afterwards assistants are not shown it unasked." error=${of("valid_until")}>${(/** @type {any} */ given) => html`<input ...${given} type="date" value=${form.last_day} onInput=${set("last_day")} />`}<//>
    </div>
    <${Field} label="Source" hint="Where it comes from, such as a file." error=${of("source")}>${(/** @type {any} */ given) => html`<input ...${given} value=${form.source} onInput=${set("source")} autocomplete="off" />`}<//>
    <${Field} label="Comes up for" hint="Cues: tasks, symptoms or questions, one a line." error=${of("cues")}>${(/** @type {any} */ given) => html`<textarea ...${given} rows="2" value=${form.cues} onInput=${set("cues")} />`}<//>
    <details open=${Boolean(form.metadata)}><summary>Properties</summary>
      <${Field} label="Properties, as JSON" error=${of("metadata")}>${(/** @type {any} */ given) => html`<textarea ...${given} class="mono" rows="3" value=${form.metadata} onInput=${set("metadata")} />`}<//></details>
    ${isElsewhere && html`<${Problem} error=${failed.text} />`}
    <div class="row end"><button type="button" onClick=${cancel}>Cancel</button>
      <button type="submit" class="main" disabled=${isBusy}>${isBusy ? "One moment…" : action} <kbd>Ctrl ⏎</kbd></button></div>
  </form>`;
}

/** From here on a text is like another to the letter; what the letters say is compared then. */
const SAME = 0.99;

/** Which memory of a project says exactly this, if any does; while the model is not there, none is known. @param {string} text @param {string} project @returns {Promise<number | null>} */
async function knownAs(text, project) {
  if (!can("POST", "/memory/is-novel")) return null;
  const { closest_match: closest } = await post("/memory/is-novel", { text, threshold: SAME, project: project || undefined }).catch(() => ({}));
  return closest?.text.trim() === text.trim() ? closest.id : null;
}

/** The name of the draft of a new one. */
const NEW = "new";

/** A screen of its own for a new one. @param {{params: Record<string, string>}} props */
export function Add({ params }) {
  const draft = draftOf(NEW);
  const names = useProjects();
  const [named, setNamed] = useState(/** @type {string | undefined} */ (draft?.project ?? params.project));
  const [twin, setTwin] = useState(/** @type {{id: number, keep: () => Promise<void>} | null} */ (null));
  const project = named ?? meantBy(names);
  const note = useRef(/** @type {HTMLElement | null} */ (null));
  // (Who keeps it from the end of the form would not see what is said at its beginning.)
  useEffect(() => void (twin && note.current?.focus()), [twin]);
  const keepIt = async (/** @type {ReturnType<typeof meant>} */ now) => {
    const added = await post("/memory/add", { ...fresh(now), ...(project.trim() ? { project: project.trim() } : {}) });
    keepDraft(NEW);
    go(href("memories", { id: added.id }), true);
    const other = project.trim() && project.trim() !== added.project ? ` (as “${project.trim()}” is written here)` : "";
    say(`Memory ${added.id} is kept in ${added.project}${other}.${maskedIn(added)}`, async () => {
      if (here().params.id === String(added.id)) changeAddress({ id: undefined }, true);
      await post("/memory/forget", { ids: [added.id] });
      lookNow();
      say(`Memory ${added.id} is forgotten.`);
    });
  };
  const save = async (/** @type {ReturnType<typeof meant>} */ now) => {
    if (needsName(project, names)) throw new Refused(400, { description: "Say in which project: one that is there, or a new name.", field: "project" });
    const known = await knownAs(now.text, project.trim());
    if (!known) return keepIt(now);
    setTwin({ id: known, keep: () => keepIt(now) });
  };
  const choose = (/** @type {string} */ name) => {
    setNamed(name);
    setTwin(null);
    const kept = draftOf(NEW);
    if (kept) keepDraft(NEW, { ...kept, project: name });
  };
  const keep = (/** @type {any} */ form) => {
    setTwin(null);
    keepDraft(NEW, form && { form, project });
  };
  const leave = () => (/** @type {any} */ (window).navigation?.canGoBack === false ? go(href("memories", { project: params.project })) : history.back());
  useKeys([{ keys: "Escape", does: "Leave; what was typed stays as a draft", run: leave }]);
  return html`<${Screen} title="Add a memory" lead="What should assistants know? One thing, in a sentence or two, with its reason.">
    <div class="card narrow"><${Form} memory=${{}} lead="" action="Keep it" save=${save} close=${leave} draft=${draft?.form} keep=${keep}>
      ${twin && html`<p class="note" role="alert" tabindex="-1" ref=${note}><a href=${href("memories", { id: twin.id })}>Memory ${twin.id}</a> says exactly this. <button type="button" class="small" onClick=${() => attempt(twin.keep)}>Keep it anyway</button></p>`}
      <${ProjectField} names=${names} value=${project} set=${choose} />
    <//></div>
  <//>`;
}
