// Small parts that every screen is made of.
import { html, useId, useLayoutEffect, useRef, useState } from "./lib.js";
import { ago, exactly, likely, sentence } from "./words.js";

/** @param {{time: string, isNarrow?: boolean}} props */
export const When = ({ time, isNarrow = false }) => html`<time datetime=${time} title=${exactly(time)}>${ago(time, isNarrow)}</time>`;

/** @param {{error: string, again?: () => void}} props */
export function Problem({ error, again }) {
  if (!error) return null;
  return html`<div class="problem" role="alert">
    <p><strong>That did not work.</strong> ${sentence(error)}</p>
    ${again && html`<button type="button" onClick=${again}>Try again</button>`}
  </div>`;
}

/** @param {{title: string, children?: any}} props */
export const Empty = ({ title, children }) => html`<div class="empty"><p class="empty-title">${title}</p>${children}</div>`;

/** A command or a text to be copied. @param {{text: string, label?: string}} props */
export function Copy({ text, label = "Copy" }) {
  const [isDone, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 2000);
  };
  return html`<div class="command">
    <code>${text}</code>
    <button type="button" class="small" onClick=${copy} aria-label=${`${label}: ${text}`}>${isDone ? "Copied" : label}</button>
  </div>`;
}

/**
 * @param {{label: string, children?: any, hint?: string, error?: string}} props `children` is a function of the field's
 * attributes
 */
export function Field({ label, hint, error, children }) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${children({ id, "aria-describedby": described || undefined, "aria-invalid": error ? "true" : undefined })}
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    ${error && html`<p class="error" id=${`${id}-error`}>${error}</p>`}
  </div>`;
}

/**
 * A dialog of the browser's own: it keeps the focus, and gives it back.
 * @param {{title: string, close: () => void, children?: any, wide?: boolean}} props
 */
export function Dialog({ title, close, children, wide }) {
  const held = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const id = useId();
  // (At once: the next key is meant for it.)
  useLayoutEffect(() => {
    const before = document.activeElement;
    held.current?.showModal();
    // What is asked for comes first, and not the button that closes.
    const first = held.current?.querySelector("input, textarea, select");
    if (first instanceof HTMLElement) first.focus();
    return () => {
      // (As long as the dialog is there, nothing behind it takes the focus.)
      queueMicrotask(() => before instanceof HTMLElement && before.isConnected && before.focus());
    };
  }, []);
  return html`<dialog ref=${held} class=${wide ? "wide" : ""} aria-labelledby=${id} onClose=${close}
      onClick=${(/** @type {MouseEvent} */ event) => event.target === held.current && close()}>
    <div class="dialog-body">
      <header><h2 id=${id}>${title}</h2><button type="button" class="plain" aria-label="Close" onClick=${close}>✕</button></header>
      ${children}
    </div>
  </dialog>`;
}

/**
 * Ask before something that is hard to take back; with `word`, only who types it may.
 * @param {{title: string, action: string, word?: string, wait?: boolean, close: () => void, run: () => Promise<unknown> | unknown, children?: any}} props
 */
export function Confirm({ title, action, word, wait, close, run, children }) {
  const [typed, setTyped] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const may = (!word || typed.trim() === word) && !isBusy && !wait;
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!may) return;
    setBusy(true);
    try {
      await run();
      close();
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure));
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${title} close=${close}>
    <form onSubmit=${submit}>
      ${children}
      ${word && html`<${Field} label=${`Type “${word}” to go on`}>${(/** @type {any} */ given) => html`
        <input ...${given} autocomplete="off" value=${typed} onInput=${(/** @type {any} */ event) => setTyped(event.target.value)} />`}<//>`}
      <${Problem} error=${error} />
      <div class="row end">
        <button type="button" onClick=${close}>Cancel</button>
        <button type="submit" class="danger" disabled=${!may}>${isBusy ? "One moment…" : action}</button>
      </div>
    </form>
  <//>`;
}

/** How likely it is that a memory helps, in little room. @param {{value: number}} props from 0 to 1 */
export const Meter = ({ value }) => html`<span class="meter" title="How likely it is to answer">
  <svg viewBox="0 0 40 6" width="40" height="6" aria-hidden="true"><rect class="meter-all" width="40" height="6" rx="3" /><rect class="meter-part" width=${Math.max(2, 40 * value)} height="6" rx="3" /></svg>
  <span>${likely(value)}<span class="unseen"> likely</span></span>
</span>`;

/** @param {{title: string, children?: any, lead?: string, actions?: any}} props */
export function Screen({ title, lead, actions, children }) {
  return html`<div class="screen">
    <header class="screen-head"><div><h1 tabindex="-1">${title}</h1>${lead && html`<p class="lead">${lead}</p>`}</div>
      ${actions && html`<div class="row">${actions}</div>`}</header>
    ${children}
  </div>`;
}
