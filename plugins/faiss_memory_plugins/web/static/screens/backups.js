// Points in time: making one, going back to one, taking one away and bringing one in.
import { ask, can, get, post } from "../api.js";
import { useLoaded } from "../fresh.js";
import { html, useEffect, useRef, useState } from "../lib.js";
import { gist, Plain } from "../markdown.js";
import { Confirm, Dialog, Empty, Field, Problem, Screen, When } from "../parts.js";
import { attempt, say } from "../toast.js";
import { asTyped, count, counted, exactly, size } from "../words.js";
import { AskRestore, backupOfNow, reach } from "./restoring.js";

const FIRST = 60;

/** What a restore has left out, in words. @param {any} answer */
function leftOut(answer) {
  return answer.left_out.length ? ` ${counted(answer.left_out.length, "memory", "memories")} could not be brought back: purged or damaged.` : "";
}

/** @param {{close: () => void, done: () => void}} props */
function MakeOne({ close, done }) {
  const [label, setLabel] = useState("");
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const isDone = await attempt(async () => {
      const { backup, memories } = await post("/backup", label.trim() ? { label: label.trim() } : {});
      say(`Backup ${backup} holds ${counted(memories, "memory", "memories")}.`);
    });
    if (isDone) {
      close();
      done();
    }
  };
  return html`<${Dialog} title="Make a backup" close=${close}><form onSubmit=${submit}>
    <${Field} label="A note for you" hint="It may be left out.">${(/** @type {any} */ given) => html`<input ...${given} maxlength="200" value=${label} onInput=${(/** @type {any} */ event) => setLabel(event.target.value)} />`}<//>
    <div class="row end"><button type="button" onClick=${close}>Cancel</button><button type="submit" class="main">Make it</button></div></form><//>`;
}

/** @param {{params: Record<string, string>}} props */
export function Backups({ params }) {
  const { data, error, loading, again } = useLoaded((signal) => get("/backups", {}, signal), []);
  const stats = useLoaded((signal) => get("/stats", {}, signal), []);
  const [asking, setAsking] = useState(/** @type {any} */ (null));
  const [isAll, setAll] = useState(false);
  const [done, setDone] = useState(/** @type {{text: string, name: string, undo: () => Promise<void>} | null} */ (null));
  const result = useRef(/** @type {HTMLElement | null} */ (null));
  // (What was done is at the top, wherever one was when it was asked for.)
  useEffect(() => void (done && !asking && result.current?.focus()), [done, asking]);
  const now = stats.data?.total_memories ?? null;
  const backups = [...(data?.backups || [])].reverse();
  const after = () => {
    again();
    stats.again();
  };
  /** Go to another state, and offer the way back. @param {string} what @param {() => Promise<any>} run */
  const going = async (what, run) => {
    const before = await backupOfNow();
    const answer = await run();
    const text = `${what}: ${counted(answer.memories, "memory", "memories")}.${leftOut(answer)}`;
    const undo = async () => {
      const { memories } = await post("/restore", { backup: before });
      setDone(null);
      say(`As it was before: ${counted(memories, "memory", "memories")}.`);
      after();
    };
    setDone({ text, undo, name: before });
    say(text, undo);
    after();
  };
  const restore = () => going("Restored", () => post("/restore", asking.time ? { time: asking.time } : { backup: asking.name }));
  const bringIn = () => going(`Restored from ${asking.file.name}`, () => ask("POST", "/restore/archive", { file: asking.file }));
  const reached = reach(backups);
  const minutes = backups.map((one) => exactly(one.created_at));
  const time = (/** @type {any} */ one) => exactly(one.created_at, minutes.filter((minute) => minute === exactly(one.created_at)).length > 1);
  const shown = isAll ? backups : backups.slice(0, FIRST);
  return html`<${Screen} title="Backups" lead="Each write makes one by itself, and old ones of these go again; those that you make stay."
    actions=${html`<button type="button" class="main" onClick=${() => setAsking({ kind: "make" })}>Make a backup</button>`}>
    <${Problem} error=${error} again=${again} />
    ${done && html`<div class="note row spread" tabindex="-1" ref=${result} data-landing><p>${done.text} The state before is in the backup <code>${done.name}</code>.</p>
      <button type="button" onClick=${() => attempt(done.undo)}>Go back to the state before</button></div>`}
    <div class="ways">
      <section class="card"><h2>Go back to a time</h2><${TimeForm} reached=${reached} isKnown=${Boolean(data)} pick=${(/** @type {string} */ time) => setAsking({ kind: "restore", time })} /></section>
      <section class="card"><h2>Download everything</h2><p>One file with every memory, for another machine or a safe place.</p><p><a class="button" href="/archive" download>Download the archive</a></p></section>
      <section class="card"><h2>Bring an archive in</h2><p>Its state takes the place of this one.</p>
        <label class="button file">Choose a file<input type="file" accept=".tar,application/x-tar" onChange=${(/** @type {any} */ event) => {
          const file = event.target.files[0];
          event.target.value = "";
          if (file) setAsking({ kind: "archive", file });
        }} /></label></section>
    </div>
    ${!backups.length && !loading && html`<${Empty} title="No backup yet."><p>The first write makes one.</p><//>`}
    ${backups.length > 0 && html`<div class="card table-card"><table>
      <thead><tr><th scope="col">When</th><th scope="col" class="minor">Name</th><th scope="col" class="num">Memories</th><th scope="col" class="num minor">Size</th><th scope="col"><span class="unseen">What to do</span></th></tr></thead>
      <tbody>${shown.map((one) => html`<tr key=${one.name}>
        <td class="any"><${When} time=${one.created_at} /><br /><span class="quiet">${time(one)}</span>${one.label && html`<br /><span class="quiet">${one.label}</span>`}</td>
        <td class="minor"><code>${one.name}</code></td>
        <td class="num">${count(one.memories)}</td><td class="num minor">${size(one.size_bytes)}</td>
        <td class="row end"><a class="button small" href=${`/archive?backup=${encodeURIComponent(one.name)}`} download aria-label=${`Download ${one.name}`}>Download</a>
          <button type="button" class="small" aria-label=${`Restore ${one.name}`} onClick=${() => setAsking({ kind: "restore", ...one })}>Restore…</button></td>
      </tr>`)}</tbody></table>
      ${backups.length > shown.length && html`<p><button type="button" class="plain" onClick=${() => setAll(true)}>All ${count(backups.length)}</button></p>`}</div>`}
    ${can("GET", "/forgotten") && html`<${Forgotten} isMeant=${params.part === "forgotten" && !loading} />`}
    ${asking?.kind === "make" && html`<${MakeOne} close=${() => setAsking(null)} done=${after} />`}
    ${asking?.kind === "restore" && html`<${AskRestore} to=${asking} reached=${reached} close=${() => setAsking(null)} run=${restore} />`}
    ${asking?.kind === "archive" && html`<${Confirm} title=${`Go to the state in ${asking.file.name}?`} action="Restore" close=${() => setAsking(null)} run=${bringIn}>
      <p>The file has ${size(asking.file.size)}. It is checked whole before anything is changed.</p>
      <p>${now === null ? "" : html`Now there are <strong>${counted(now, "memory", "memories")}</strong>.`} All projects change. One can come back to the state of now.</p><//>`}
  <//>`;
}

/** What was forgotten and can come back, one by one. @param {{isMeant: boolean}} props whether the address leads here */
function Forgotten({ isMeant }) {
  const { data, error, again } = useLoaded((signal) => get("/forgotten", { limit: 50 }, signal), []);
  const heading = useRef(/** @type {HTMLElement | null} */ (null));
  const isThere = isMeant && Boolean(data);
  // (Led here once: what is loaded anew leads nobody.)
  const isLed = useRef(false);
  useEffect(() => {
    if (isThere && !isLed.current) heading.current?.focus();
    isLed.current ||= isThere;
  }, [isThere]);
  const back = (/** @type {any} */ one) => attempt(async () => {
    await post(`/memory/${one.id}/restore`, {});
    say(`Memory ${one.id} is back.`);
    again();
  });
  return html`<section class="card" aria-labelledby="forgotten-title"><h2 id="forgotten-title" tabindex="-1" ref=${heading}>Forgotten, and can come back</h2>
    <${Problem} error=${error} again=${again} />
    ${data && !data.count && html`<p class="quiet">Nothing.</p>`}
    <ul role="list">${data?.memories.map((/** @type {any} */ one) => html`<li class="candidate" key=${one.id}><p class="two-lines"><${Plain} text=${gist(one.text, 300)} /></p>
      <p class="row-facts"><span>Memory ${one.id}</span><span>${one.project}</span>${one.forgotten_at && html`<span>forgotten <${When} time=${one.forgotten_at} /></span>`}
        <button type="button" class="small" aria-label=${`Bring back memory ${one.id}`} onClick=${() => back(one)}>Bring back</button></p></li>`)}</ul></section>`;
}

/** @param {{pick: (time: string) => void, reached: string | undefined, isKnown: boolean}} props `reached` is how far back one can go */
function TimeForm({ pick, reached, isKnown }) {
  const [time, setTime] = useState("");
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (time) pick(new Date(time).toISOString());
  };
  const hint = reached ? `${exactly(asTyped(reached), true)} at the earliest.` : isKnown ? "No write has made a backup yet." : "";
  return html`<form onSubmit=${submit}><${Field} label="The state of" hint=${hint}>${(/** @type {any} */ given) => html`<input ...${given} type="datetime-local" step="1" min=${reached && asTyped(reached)} required value=${time} onInput=${(/** @type {any} */ event) => setTime(event.target.value)} />`}<//>
    <button type="submit" disabled=${!reached}>Go back…</button></form>`;
}
