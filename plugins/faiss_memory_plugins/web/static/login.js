// Where the service wants a token: it is sent once, and kept by the browser in a cookie that no script can read.
import { can, post, Refused, told } from "./api.js";
import { html, useState } from "./lib.js";
import { Copy, Field, Problem } from "./parts.js";

const KEY = "faiss-memory-session";

/** Whether somebody has come in by the form here: the cookie itself can be seen by no script. */
export const hasCome = () => can("POST", "/logout") && localStorage.getItem(KEY) === "yes";

/** Run something when another tab has logged in or out. @param {(isIn: boolean) => void} run */
export function watchTabs(run) {
  const told = (/** @type {StorageEvent} */ event) => event.key === KEY && run(event.newValue === "yes");
  addEventListener("storage", told);
  return () => removeEventListener("storage", told);
}

/** End the session, and ask for the token again. */
export async function leave() {
  await post("/logout", {});
  localStorage.removeItem(KEY);
  location.reload();
}

/** @param {{done: () => void}} props */
export function Login({ done }) {
  const [token, setToken] = useState("");
  const [error, setError] = useState("");
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      await post("/login", { token: token.trim() });
      setToken("");
      localStorage.setItem(KEY, "yes");
      done();
    } catch (failure) {
      const isNoWay = failure instanceof Refused && failure.status === 404;
      setError(isNoWay ? "This service lets nobody in by a page. Use the command line." : told(failure));
    }
  };
  return html`<main class="alone"><h1>FAISS Memory</h1>
    <form class="card" onSubmit=${submit}>
      <p>This service asks for its token: the setting <code>token</code>.</p>
      <${Field} label="Token">${(/** @type {any} */ given) => html`<input ...${given} type="password" autocomplete="current-password" value=${token} onInput=${(/** @type {any} */ event) => setToken(event.target.value)} />`}<//>
      <${Problem} error=${error} />
      <div class="row end"><button type="submit" class="main">Go in</button></div>
    </form>
    <p class="quiet">Where to find it:</p><${Copy} text="faiss-memory config" />
  </main>`;
}
