// Where the focus goes when what had it is gone: to what follows there, and never to nowhere, from where one would begin
// at the top again.

/** What can take it: what is meant to, and else a heading. */
const LANDINGS = "[data-landing]";
const HEADINGS = 'h1[tabindex="-1"], h2[tabindex="-1"]';
/** So long what is loaded in its place is waited for. */
const WAIT_MS = 700;

/** @param {Element} part */
function landing(part) {
  const all = [...part.querySelectorAll(LANDINGS), ...part.querySelectorAll(HEADINGS)];
  return all.find((one) => one instanceof HTMLElement && one.getClientRects().length > 0);
}

/** Keep the focus in a part of the page: what is said beside it may have it too, and go. @param {HTMLElement} main */
export function keepFocus(main) {
  /** What was around that which had the focus last, from near to far. @type {Element[]} */
  let around = [];
  /** @type {Element | null} */
  let had = null;
  let timer = 0;
  const isLost = () => had && !had.isConnected && document.activeElement === document.body;
  const land = (isLate = false) => {
    if (!isLost() || !main.isConnected) return;
    // (What belongs to one section lands there, as soon as there is something; only then it is looked for elsewhere.)
    const near = around.filter((one) => one.isConnected && (isLate || one.matches("section, article, .screen")));
    for (const part of isLate ? near : near.slice(0, 1)) {
      const found = landing(part);
      if (found instanceof HTMLElement) return found.focus({ preventScroll: found.tagName === "H1" });
    }
  };
  const noted = (/** @type {FocusEvent} */ event) => {
    had = event.target instanceof Element ? event.target : null;
    if (!had || !main.contains(had)) return;
    around = [];
    for (let part = had.parentElement; part; part = part.parentElement) around.push(part);
  };
  const changes = new MutationObserver(() => {
    if (!isLost()) return;
    land();
    clearTimeout(timer);
    timer = setTimeout(() => land(true), WAIT_MS);
  });
  addEventListener("focusin", noted);
  changes.observe(document.body, { childList: true, subtree: true });
  return () => {
    removeEventListener("focusin", noted);
    changes.disconnect();
    clearTimeout(timer);
  };
}
