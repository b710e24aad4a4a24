// The frame: where one can go, and what is there.
import "./early.js";
import { go, href, usePlace } from "./address.js";
import { get, isLearnt, learn, learnTeam, learnWho, Refused, state, told, watchState, who } from "./api.js";
import { keepFocus } from "./focus.js";
import { useLoaded, useWhileSeen } from "./fresh.js";
import { shortcuts, useKeys } from "./keys.js";
import { html, render, useEffect, useLayoutEffect, useRef, useState } from "./lib.js";
import { Dialog, Problem } from "./parts.js";
import { hasCome, leave, Login, watchTabs } from "./login.js";
import { Palette } from "./palette.js";
import { useTheme } from "./theme.js";
import { attempt, Toast } from "./toast.js";
import { Add } from "./screens/edit.js";
import { Memories } from "./screens/memories.js";

/**
 * The first screen comes with the page; the others are loaded as soon as it is there. What is there `isSoon` does not
 * wait until it is known which calls the service has.
 * @type {Record<string, {title: string, part?: any, load?: () => Promise<any>, isHidden?: boolean, isSoon?: boolean, isFor?: (who: import("./api.js").Who) => boolean}>}
 */
const SCREENS = {
  memories: { title: "Memories", part: Memories, isSoon: true },
  recall: { title: "Recall", load: async () => (await import("./screens/recall.js")).Recall },
  review: { title: "Review", load: async () => (await import("./screens/review.js")).Review },
  projects: { title: "Projects and tags", load: async () => (await import("./screens/projects.js")).Projects },
  analytics: { title: "Analytics", load: async () => (await import("./screens/analytics.js")).Analytics },
  assistants: { title: "Assistants", load: async () => (await import("./screens/assistants.js")).Assistants },
  backups: { title: "Backups", load: async () => (await import("./screens/backups.js")).Backups, isFor: (who) => who.isOwner },
  inout: { title: "In and out", load: async () => (await import("./screens/inout.js")).InOut },
  team: { title: "Team", load: async () => (await import("./screens/team.js")).Team, isFor: (who) => who.hasTeam },
  settings: { title: "Settings", load: async () => (await import("./screens/settings.js")).Settings },
  add: { title: "Add a memory", part: Add, isHidden: true },
  start: { title: "Begin", load: async () => (await import("./screens/start.js")).Start, isHidden: true },
};
const shown = () => Object.entries(SCREENS).filter(([, one]) => !one.isHidden && (!one.isFor || one.isFor(who)));

/** After the first screen, the others are loaded. */
const SOON_MS = 200;
/** What is there sooner needs no word that it is coming, which would have to be drawn before it. */
const SLOW_MS = 400;
const KEYS_OF_ALL = [["Tab", "Next part"], ["Ctrl Enter", "Save, in a form"]];

function Help(/** @type {{close: () => void}} */ { close }) {
  return html`<${Dialog} title="Keys" close=${close}>
    <table class="keys"><tbody>
      ${shortcuts().map((one) => html`<tr><th scope="row">${one.keys.split(" ").map((key) => html`<kbd>${key.replace("Mod+", "Ctrl ")}</kbd> `)}</th><td>${one.does}</td></tr>`)}
      ${KEYS_OF_ALL.map(([key, does]) => html`<tr><th scope="row"><kbd>${key}</kbd></th><td>${does}</td></tr>`)}
    </tbody></table>
  <//>`;
}

function Away() {
  const [, redraw] = useState(0);
  useEffect(() => {
    const off = watchState(() => redraw((before) => before + 1));
    return () => void off();
  }, []);
  useWhileSeen(() => void (state.away && get("/health").catch(() => {})), 2000);
  return state.away ? html`<p class="away" role="alert">The service does not answer. It is asked again every few seconds; nothing you typed is lost. To start it: <code>faiss-memory serve</code></p>` : null;
}

/** Load what is drawn of a screen, once. @param {typeof SCREENS[string]} one */
const load = async (one) => void (one.part ||= await one.load?.());

/** @param {{screen: string}} props */
function Frame({ screen }) {
  const { params } = usePlace();
  const [isMenuOpen, setMenu] = useState(false);
  const [asking, setAsking] = useState("");
  const [theme, setTheme] = useTheme();
  const main = useRef(/** @type {HTMLElement | null} */ (null));
  const isFirst = useRef(true);
  const shownNow = SCREENS[screen] || SCREENS.memories;
  const { error, again } = useLoaded(() => load(shownNow), [screen]);
  const { title } = shownNow;
  const part = shownNow.isSoon || isLearnt() ? shownNow.part : undefined;
  useEffect(() => {
    document.title = `${title} · FAISS Memory`;
    setMenu(false);
    if (!part) return;
    if (!isFirst.current) {
      const heading = main.current?.querySelector("h1");
      if (heading instanceof HTMLElement && !main.current?.contains(document.activeElement)) heading.focus();
    }
    isFirst.current = false;
  }, [screen, Boolean(part)]);
  useEffect(() => keepFocus(/** @type {HTMLElement} */ (main.current)), []);
  useKeys([
    { keys: "Mod+k", does: "Go to, or do", run: () => setAsking(asking === "palette" ? "" : "palette") },
    { keys: "?", does: "Show the keys", run: () => setAsking("help") },
    { keys: "n", does: "Add a memory", run: () => go(href("add", { project: params.project })) },
  ]);
  const turnTheme = () => setTheme(theme === "dark" ? "light" : "dark");
  return html`
    <a class="skip" href="#main" onClick=${(/** @type {Event} */ event) => { event.preventDefault(); main.current?.focus(); }}>To the content</a>
    <header class="top">
      <a class="brand" href=${href("memories")}><img src="/ui/icon.svg" alt="" width="24" height="24" /> FAISS Memory</a>
      <button type="button" class="menu-button" aria-expanded=${isMenuOpen} aria-controls="menu" onClick=${() => setMenu(!isMenuOpen)}>Menu</button>
      <nav id="menu" class=${isMenuOpen ? "open" : ""} aria-label="Screens"><ul role="list">
        ${shown().map(([name, one]) => html`<li><a href=${href(name)} aria-current=${name === screen ? "page" : undefined}>${one.title}</a></li>`)}
      </ul>
      <div class="tools">
        <button type="button" class="plain" onClick=${() => setAsking("palette")}>Go to… <kbd>Ctrl K</kbd></button>
        <button type="button" class="plain" aria-pressed=${theme === "dark"} onClick=${turnTheme}>Dark</button>
        <button type="button" class="plain" onClick=${() => setAsking("help")}>Keys <kbd>?</kbd></button>
        ${hasCome() && html`<button type="button" class="plain" onClick=${() => attempt(leave)}>Log out ${who.name && html`<span class="quiet">${who.name}</span>`}</button>`}
      </div></nav>
    </header>
    <main id="main" tabindex="-1" ref=${main} class=${`main-${screen}`}>
      <${Away} />
      ${part ? html`<${part} params=${params} />` : error ? html`<${Problem} error=${error} again=${again} />` : html`<p class="quiet pad" role="status">Loading…</p>`}
    </main>
    <${Toast} />
    ${asking === "help" && html`<${Help} close=${() => setAsking("")} />`}
    ${asking === "palette" && html`<${Palette} screens=${shown().map(([name, one]) => ({ name, title: one.title }))} turnTheme=${turnTheme} close=${() => setAsking("")} />`}`;
}

function App() {
  const { screen } = usePlace();
  const [, redraw] = useState(0);
  const [begun, setBegun] = useState("");
  const [isSlow, setSlow] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), SLOW_MS);
    return () => clearTimeout(timer);
  }, []);
  const [error, setError] = useState("");
  const begin = async () => {
    setError("");
    try {
      const { seesTeam } = await learnWho();
      if (!location.hash && !(await get("/stats")).total_memories) go(href("start"), true);
      setBegun("ready");
      await learn();
      redraw((before) => before + 1);
      if (seesTeam) learnTeam().then(() => redraw((before) => before + 1), () => {});
      // Whoever goes on waits for nothing, and finds the screens there while the service is away.
      setTimeout(() => document.visibilityState === "visible" && Object.values(SCREENS).forEach((one) => void load(one).catch(() => {})), SOON_MS);
    } catch (failure) {
      if (failure instanceof Refused && failure.status === 401) setBegun("login");
      else setError(told(failure));
    }
  };
  // (An effect would wait for a frame in which there is nothing yet.)
  useLayoutEffect(() => void begin(), []);
  useEffect(() => {
    const off = watchState(() => state.locked && setBegun("login"));
    return () => void off();
  }, []);
  // Another tab may have logged out, which the next request tells, or in.
  useEffect(() => watchTabs(() => void begin()), []);
  const hasBegun = useRef(false);
  hasBegun.current ||= begun === "ready";
  const isLocked = begun === "login";
  const wasLocked = useRef(false);
  useLayoutEffect(() => {
    // (A dialog that stays open would let nobody reach the form, not even for a moment.)
    if (isLocked) document.querySelectorAll("dialog").forEach((dialog) => dialog.close());
    else if (wasLocked.current) document.getElementById("main")?.focus();
    wasLocked.current = isLocked;
  }, [isLocked]);
  if (error && !isLearnt()) return html`<main class="alone"><h1>FAISS Memory</h1><${Problem} error=${error} again=${begin} /></main>`;
  // What was typed stays where it is while the token is asked for.
  if (hasBegun.current || isLocked)
    return html`${hasBegun.current && html`<div class="frame" hidden=${isLocked}><${Frame} screen=${screen} /></div>`}${isLocked && html`<${Login} done=${begin} />`}`;
  return isSlow && html`<main class="alone"><h1 class="unseen">FAISS Memory</h1><p class="quiet">Loading…</p></main>`;
}

render(html`<${App} />`, /** @type {Element} */ (document.getElementById("page")));
