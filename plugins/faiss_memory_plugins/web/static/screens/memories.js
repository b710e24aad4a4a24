// Three panes: what it can be narrowed by, the list, one memory.
import { forget } from "../actions.js";
import { change, go, here, href } from "../address.js";
import { isLearnt } from "../api.js";
import { useChanges } from "../fresh.js";
import { answers, asks, MOST_FOUND, useBar, useFound } from "../finding.js";
import { useKeys } from "../keys.js";
import { html, useEffect, useMemo, useRef, useState } from "../lib.js";
import { VirtualList } from "../list.js";
import { gist, Plain } from "../markdown.js";
import { Empty, Meter, Problem, When } from "../parts.js";
import { attempt } from "../toast.js";
import { count, counted, percent, sentence, terms, writer } from "../words.js";
import { Bulk } from "./bulk.js";
import { Facets } from "./facets.js";
import { OneMemory } from "./memory.js";

/** The height of a row in pixels: it grows with the letters. */
const ROW = 5.8 * parseFloat(getComputedStyle(document.documentElement).fontSize);
const FILTERS = ["project", "tag", "source", "by", "days", "state"];

/** What is said of a memory that does not hold any more. @type {Record<string, string>} */
const OVER = { expired: "over", changed: "file changed", gone: "file gone" };

/** @typedef {import("../api.js").Found} Found */

/** @param {{one: Found, isHere: boolean, isStop: boolean, isChosen: boolean, isLess: boolean, divides: boolean, marks: string[], select: (one: Found, upTo?: boolean) => void, many: boolean}} props */
function Row({ one, isHere, isStop, isChosen, isLess, divides, marks, select, many }) {
  const { params } = here();
  return html`<div class=${`memory-row${isHere ? " here" : ""}${isLess ? " less" : ""}${divides ? " divides" : ""}`}>
    ${divides && html`<span class="divider">less likely</span>`}
    <input type="checkbox" tabindex=${isStop ? 0 : -1} title="With Shift: all from the one before up to this" aria-label=${`Select memory ${one.id}`} checked=${isChosen} onClick=${(/** @type {MouseEvent} */ event) => select(one, event.shiftKey)} />
    <a href=${href("memories", { ...params, id: one.id, edit: undefined })} data-row=${one.id} data-landing=${isStop ? "" : undefined} tabindex=${isStop ? 0 : -1} aria-current=${isHere ? "true" : undefined}>
      <span class="row-text"><${Plain} text=${gist(one.text)} terms=${marks} /></span>
      <span class="row-facts">
        ${one.relevance !== undefined && html`<${Meter} value=${one.relevance} />`}
        ${one.superseded_by && html`<span class="badge">superseded</span>`}
        ${OVER[one.state || ""] && html`<span class="badge">${OVER[one.state || ""]}</span>`}
        ${many && html`<span class="row-project">${one.project}</span>`}
        <${When} time=${one.timestamp} isNarrow />
        ${one.relevance === undefined && html`<span class="row-by">by ${writer(one.by)}</span>`}
        ${one.tags.length > 0 && html`<span class="row-tags"><span class="unseen">tags: </span><${Plain} text=${one.tags.map((tag) => `#${tag}`).join(" ")} /></span>`}
      </span>
    </a>
  </div>`;
}

/** Nothing is kept: what to begin with. */
const Nothing = () => html`<${Empty} title="There is nothing yet."><p>What assistants and you keep appears here. Begin with one of these:</p>
  <p class="row"><a class="button main" href=${href("add")}>Add a memory</a><a class="button" href=${href("inout")}>Build a folder</a><a class="button" href=${href("assistants")}>Connect an assistant</a></p><//>`;

/** @param {{params: Record<string, string>}} props */
export function Memories({ params }) {
  const found = useFound(params);
  const { items } = found;
  const [round, setRound] = useState(0);
  const [chosen, setChosen] = useState(/** @type {Map<number, Found>} */ (new Map()));
  const [areFiltersOpen, setFiltersOpen] = useState(false);
  const box = useRef(/** @type {HTMLInputElement | null} */ (null));
  const wantsFocus = useRef(false);
  /** Whether somebody went to a memory before the answer was there that they had asked for. */
  const isWaiting = useRef(false);
  const last = useRef({ asked: "", id: "" });
  const again = () => {
    found.again();
    setRound((before) => before + 1);
  };
  useChanges(again);
  const place = items.findIndex((one) => String(one.id) === params.id);
  const marks = useMemo(() => terms(params.q || ""), [params.q]);

  if (params.id) last.current = { asked: asks(params), id: params.id };
  // Whoever closes a memory goes on from its row.
  const at = params.id || last.current.asked !== asks(params) ? place : items.findIndex((one) => String(one.id) === last.current.id);

  const focusRow = () => {
    const row = document.querySelector(`[data-row="${Number(here().params.id)}"]`);
    if (row instanceof HTMLElement) row.focus();
    return row !== null;
  };
  const drawn = useRef(items);
  useEffect(() => {
    const isAnew = drawn.current !== items;
    drawn.current = items;
    // (What has come back has its row when the list is there again, if that shows it at all.)
    if (wantsFocus.current && (focusRow() || isAnew)) wantsFocus.current = false;
  }, [params.id, items]);
  const goTo = (/** @type {number} */ next) => {
    // The rows of what was asked before are no answer: the first of those that are is gone to when they have come.
    if (found.asked !== asks(here().params)) return void (isWaiting.current = true);
    const one = items[Math.max(0, Math.min(items.length - 1, next))];
    if (!one) return;
    wantsFocus.current = true;
    if (String(one.id) === params.id) focusRow();
    change({ id: one.id, edit: undefined }, true);
  };
  useEffect(() => {
    if (!isWaiting.current) return;
    const isThere = found.asked === asks(here().params);
    isWaiting.current = !isThere && !params.id && !found.error;
    if (isThere && !params.id) goTo(0);
  }, [found.asked, found.error, params.id]);
  const lastChosen = useRef(/** @type {number | null} */ (null));
  /** Select one, or no more; or all from the one before up to it. @param {Found} one */
  const select = (one, upTo = false) => {
    const from = upTo ? items.findIndex((other) => other.id === lastChosen.current) : -1;
    const to = items.indexOf(one);
    const these = from < 0 ? [] : items.slice(Math.min(from, to), Math.max(from, to) + 1);
    lastChosen.current = one.id;
    setChosen((before) => {
      const after = new Map(before);
      if (these.length) these.forEach((other) => after.set(other.id, other));
      else if (!after.delete(one.id)) after.set(one.id, one);
      return after;
    });
  };
  /** After one is gone, the next takes its place. @param {number[]} ids */
  const leave = (ids) => {
    setChosen(new Map());
    if (params.id && ids.includes(Number(params.id))) {
      const next = items.find((one, at) => at > place && !ids.includes(one.id)) || items.findLast((one) => !ids.includes(one.id));
      wantsFocus.current = Boolean(next);
      change({ id: next?.id, edit: undefined }, true);
    }
    again();
  };
  /** What has come back is gone to. @param {number[]} ids */
  const comeBack = ([id]) => {
    wantsFocus.current = true;
    change({ id, edit: undefined }, true);
    again();
  };
  const forgetThese = () => {
    const these = chosen.size ? [...chosen.values()] : place >= 0 ? [items[place]] : [];
    if (these.length) attempt(() => forget(these, () => leave(these.map((one) => one.id)), comeBack));
  };
  const close = () => {
    focusRow();
    change({ id: undefined });
  };
  useKeys([
    { keys: "/", does: "Search", run: () => box.current?.select() },
    { keys: "j", does: "Next memory", run: () => goTo(at + 1) },
    { keys: "k", does: "Memory before", run: () => goTo(at < 0 ? 0 : at - 1) },
    { keys: "x", does: "Select, or no more", run: () => at >= 0 && select(items[at]) },
    { keys: "#", does: "Forget", run: forgetThese },
    { keys: "Escape", does: "Back", run: () => (params.edit ? change({ edit: undefined }) : chosen.size ? setChosen(new Map()) : params.id ? close() : box.current?.blur()) },
  ]);
  const onType = (/** @type {any} */ event) => {
    isWaiting.current = false;
    change({ q: event.target.value || undefined, id: undefined, edit: undefined }, true);
  };
  const onSearchKey = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "ArrowDown" || event.key === "Enter") {
      event.preventDefault();
      goTo(Math.max(0, event.key === "Enter" ? place : at));
    }
  };
  const onListKey = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !(event.target instanceof HTMLElement) || !event.target.closest(".virtual")) return;
    event.preventDefault();
    goTo(at + step);
  };
  const used = FILTERS.filter((name) => params[name]);
  const isAsked = Boolean(params.q?.trim());
  const bar = useBar(isAsked);
  // (They come by how well they fit, which is not quite by how likely they are.)
  const fitting = isAsked ? items.findLastIndex((one) => answers(one, bar)) + 1 : items.length;
  const less = items.length - fitting;
  const which = fitting < MOST_FOUND ? `${counted(fitting, "memory", "memories")} found` : `The ${count(MOST_FOUND)} nearest memories`;
  const number = fitting ? `${which}${less ? `, ${count(less)} less likely` : ""}` : items.length ? `Nothing matches; the nearest, all under ${percent(bar)}:` : "Nothing found";
  const shown = isAsked ? number : `${count(items.length)}${found.next ? " and more" : ""} ${items.length === 1 ? "memory" : "memories"}, newest first`;

  return html`<div class=${`memories${params.id ? " has-memory" : ""}${areFiltersOpen ? " has-filters" : ""}`}>
    <h1 class="unseen" tabindex="-1">Memories</h1>
    <aside class="pane filters" aria-label="Filters"><${Facets} params=${params} round=${round} />
      <button type="button" class="main done" onClick=${() => setFiltersOpen(false)}>Done</button></aside>
    <section class="pane finding" aria-label="Memories" onKeyDown=${onListKey}>
      <div class="search" role="search">
        <label class="unseen" for="search">Search memories</label>
        <input id="search" ref=${box} type="search" placeholder="Ask, or search for words" autocomplete="off" value=${params.q || ""}
          onInput=${onType} onKeyDown=${onSearchKey} />
        <kbd aria-hidden="true">/</kbd>
        <button type="button" class="filters-button" aria-expanded=${areFiltersOpen} onClick=${() => setFiltersOpen(!areFiltersOpen)}>Filters${used.length ? ` (${used.length})` : ""}</button>
      </div>
      <div class="list-head">
        <p role="status" aria-live="polite">${found.loading && !items.length ? "Looking…" : shown}${found.took !== null && html`<span class="quiet"> in ${Math.max(1, Math.round(found.took))} ms</span>`}</p>
        ${used.length > 0 && html`<button type="button" class="plain small" onClick=${() => go(href("memories", { q: params.q }))}>Clear filters</button>`}
        <a class="button small" href=${href("add", { project: params.project })}>Add</a>
      </div>
      ${chosen.size > 0 && html`<${Bulk} chosen=${[...chosen.values()]} all=${items.length} chooseAll=${() => setChosen(new Map(items.map((one) => [one.id, one])))} clear=${() => setChosen(new Map())} forget=${forgetThese} after=${again} />`}
      ${found.hint && html`<p class="note">${sentence(found.hint.replaceAll("`", ""))}</p>`}
      ${found.degraded.length > 0 && html`<p class="note">Only words are searched for now; the model that finds by meaning is not ready.</p>`}
      <${Problem} error=${found.error} again=${found.again} />
      ${!items.length && !found.loading && !found.error && (isAsked || used.length ? html`<${Empty} title="Nothing fits."><p>Try other words, or fewer filters.</p><//>` : html`<${Nothing} />`)}
      <${VirtualList} label="Memories" items=${items} height=${ROW} current=${at} more=${found.more} row=${(/** @type {Found} */ one, /** @type {number} */ row) => html`
        <${Row} one=${one} isHere=${row === place} isStop=${row === Math.max(0, at)} isChosen=${chosen.has(one.id)} isLess=${row >= fitting} divides=${fitting > 0 && row === fitting} marks=${marks} select=${select} many=${!params.project} />`} />
    </section>
    <section class="pane one" aria-label="One memory">
      ${params.id
        ? isLearnt() && html`<${OneMemory} key=${params.id} id=${params.id} found=${items[place]} marks=${marks} query=${params.q || ""} isEditing=${params.edit || ""} changed=${again} gone=${leave} back=${comeBack} />`
        : items.length > 0 && html`<${Empty} title="Choose a memory to see it."><p><kbd>j</kbd> and <kbd>k</kbd> go through the list, <kbd>?</kbd> shows all keys.</p><//>`}
    </section>
  </div>`;
}
