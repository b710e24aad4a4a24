// How times, numbers and names are said.

const whole = new Intl.NumberFormat("en");
const spoken = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
/** As there is room for in a list. */
export const narrow = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "narrow" });
const full = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });
const short = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", year: "numeric" });

/** What the service says in the midst of a line, as a sentence. @param {string} text */
export const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}${/[.?!]$/.test(text) ? "" : "."}`;

/** @param {number} number */
export const count = (number) => whole.format(number);

/** @param {number} number @param {string} one @param {string} [many] */
export const counted = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** @param {string} time */
export const exactly = (time) => full.format(new Date(time));

/** A time as it is said: "today", "3 days ago", and a date for what is longer ago. @param {string} time */
export function ago(time, days = spoken) {
  const seconds = (Date.now() - new Date(time).getTime()) / 1000;
  if (Number.isNaN(seconds)) return "";
  if (seconds < 60) return "just now";
  if (seconds < 3600) return days.format(-Math.round(seconds / 60), "minute");
  if (seconds < 86_400) return days.format(-Math.round(seconds / 3600), "hour");
  if (seconds < 30 * 86_400) return days.format(-Math.round(seconds / 86_400), "day");
  return short.format(new Date(time));
}

/** The end of a time, said as people say it: of what ends at midnight, the day before is the last. @param {string} time */
export function until(time) {
  const end = new Date(time);
  return end.getHours() || end.getMinutes() ? `until ${full.format(end)}` : `to the end of ${short.format(new Date(end.getTime() - 1))}`;
}

/** The last day of what ends at a time, as a field for dates has it. @param {string | undefined} time */
export function lastDay(time) {
  if (!time) return "";
  const last = new Date(new Date(time).getTime() - 1);
  return [last.getFullYear(), last.getMonth() + 1, last.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
}

/** The time at which a day ends, here. @param {string} day `2026-04-30` */
export function endOf(day) {
  const [year, month, date] = day.split("-").map(Number);
  return new Date(year, month - 1, date + 1).toISOString();
}

/** @param {number} bytes */
export function size(bytes) {
  const units = ["bytes", "KB", "MB", "GB", "TB"];
  let step = 0;
  while (bytes >= 1024 && step < units.length - 1) {
    bytes /= 1024;
    step += 1;
  }
  return `${step && bytes < 10 ? bytes.toFixed(1) : Math.round(bytes)} ${units[step]}`;
}

/** @param {number} share from 0 to 1 */
export const percent = (share) => (share > 0 && share < 0.01 ? "under 1%" : `${Math.round(100 * share)}%`);

/** How likely it is that a memory helps: nothing is said to be impossible. @param {number} relevance */
export const likely = (relevance) => (relevance < 0.01 ? "under 1%" : percent(relevance));

/** Which way a memory came, in words. @param {string | null | undefined} by */
export function writer(by) {
  const known = { rest: "a program", cli: "the command line", hook: "a hook", build: "a build", import: "an import", page: "this page" };
  if (!by || by === "unknown") return "not known";
  return by.startsWith("mcp:") ? by.slice(4) : known[/** @type {keyof typeof known} */ (by)] || by;
}

/** The last parts of a path, which say most. @param {string} source */
export function brief(source, longest = 48) {
  if (source.length <= longest) return source;
  const parts = source.split("/");
  let kept = parts.pop() || "";
  while (parts.length && kept.length + parts[parts.length - 1].length < longest) kept = `${parts.pop()}/${kept}`;
  return kept.length > longest ? `…${kept.slice(-longest)}` : `…/${kept}`;
}

/** The words of a question that are worth marking where they are found. @param {string} query */
export function terms(query) {
  return [...new Set(query.toLowerCase().match(/[\p{L}\p{N}_]{3,}/gu) || [])];
}

/** @param {string} written `a, b` @returns {string[]} */
export const listed = (written, by = /[,\n]/) => written.split(by).map((part) => part.trim()).filter(Boolean);
