// The address is the state: a link, a reload and the back button lead to the same. It stands behind `#`, so that what
// somebody searches for is in no log of any server.
import { useEffect, useState } from "./lib.js";

/**
 * @typedef {object} Place
 * @property {string} screen
 * @property {Record<string, string>} params
 */

/** @returns {Place} */
export function here() {
  const [screen, search] = location.hash.replace(/^#\/?/, "").split("?");
  return { screen: screen || "memories", params: Object.fromEntries(new URLSearchParams(search || "")) };
}

/** @param {string} screen @param {Record<string, string | number | undefined>} [params] */
export function href(screen, params = {}) {
  const given = Object.entries(params).filter(([, value]) => value !== undefined && value !== "" && value !== null);
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return `#/${screen}${search ? `?${search}` : ""}`;
}

/** Go somewhere; with `replace`, the back button does not come back here. */
export function go(/** @type {string} */ address, replace = false) {
  if (address === location.hash) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
  dispatchEvent(new Event("popstate"));
}

/** Change some of the parameters. @param {Record<string, string | number | undefined>} change */
export function change(change, replace = false) {
  const { screen, params } = here();
  go(href(screen, { ...params, ...change }), replace);
}

/** @returns {Place} */
export function usePlace() {
  const [place, setPlace] = useState(here);
  useEffect(() => {
    const moved = () => setPlace(here());
    addEventListener("popstate", moved);
    addEventListener("hashchange", moved);
    return () => {
      removeEventListener("popstate", moved);
      removeEventListener("hashchange", moved);
    };
  }, []);
  return place;
}
