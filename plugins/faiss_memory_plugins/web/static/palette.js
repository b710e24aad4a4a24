// Going anywhere and doing anything by its name.
import { go, href } from "./address.js";
import { html, useId, useState } from "./lib.js";
import { Dialog } from "./parts.js";

/** @param {{screens: {name: string, title: string}[], turnTheme: () => void, close: () => void}} props */
export function Palette({ screens, turnTheme, close }) {
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const id = useId();
  const all = [
    ...screens.map((one) => ({ title: one.title, run: () => go(href(one.name)) })),
    { title: "Add a memory", run: () => go(href("add")) },
    { title: "Ways to begin", run: () => go(href("start")) },
    { title: "Light or dark", run: turnTheme },
    { title: "The API, as a page", run: () => location.assign("/docs") },
  ];
  const fitting = all.filter((one) => one.title.toLowerCase().includes(typed.trim().toLowerCase()));
  const shown = typed.trim() ? [...fitting, { title: `Search memories for “${typed.trim()}”`, run: () => go(href("memories", { q: typed.trim() })) }] : fitting;
  const place = Math.min(at, shown.length - 1);
  const pick = (/** @type {number} */ which) => {
    close();
    shown[which].run();
  };
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) setAt((place + step + shown.length) % shown.length);
    else if (event.key === "Enter") pick(place);
    else return;
    event.preventDefault();
  };
  return html`<${Dialog} title="Go to, or do" close=${close}>
    <input class="palette-box" role="combobox" aria-expanded="true" aria-controls=${id} aria-activedescendant=${`${id}-${place}`} aria-label="What to go to or do" autofocus autocomplete="off"
      value=${typed} onKeyDown=${onKey} onInput=${(/** @type {any} */ event) => { setTyped(event.target.value); setAt(0); }} />
    <ul class="palette" role="listbox" id=${id} aria-label="What there is">${shown.map((one, which) => html`
      <li role="option" id=${`${id}-${which}`} aria-selected=${which === place} onClick=${() => pick(which)}>${one.title}</li>`)}</ul>
  <//>`;
}
