// Light or dark: as the system has it, until somebody chooses.
import { useEffect, useState } from "./lib.js";

const KEY = "faiss-memory-theme";

/** @returns {[string, (theme: string) => void]} */
export function useTheme() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const now = () => localStorage.getItem(KEY) || (system.matches ? "dark" : "light");
  const [theme, setTheme] = useState(now);
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  useEffect(() => {
    const turned = () => setTheme(now());
    system.addEventListener("change", turned);
    return () => system.removeEventListener("change", turned);
  }, []);
  const choose = (/** @type {string} */ next) => {
    localStorage.setItem(KEY, next);
    setTheme(next);
  };
  return [theme, choose];
}
