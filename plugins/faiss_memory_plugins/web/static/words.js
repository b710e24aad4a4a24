// How times, numbers and names are said.

// (By hand: `Intl` would be the longest part of what has to be loaded before the first list.)
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const AS_A_DATE_AFTER = 30 * DAY;

/** @param {Date} date @returns {string} `Apr 30, 2026` */
const dated = (date) => `${MONTHS[date.getMonth()]} ${date.getDate()}, ${date.getFullYear()}`;

/** @param {number} number @returns {string} of two digits at least */
const twoDigits = (number) => String(number).padStart(2, "0");

/** What the service says in the midst of a line, as a sentence. @param {string} text */
export const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}${/[.?!]$/.test(text) ? "" : "."}`;

/** A whole number, with a comma before each three digits. @param {number} number */
export const count = (number) => String(number).replace(/\B(?=(?:\d{3})+$)/g, ",");

/** @param {number} number @param {string} one @param {string} [many] */
export const counted = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** @param {string | Date} time @param {boolean} [toTheSecond] @returns {string} `Apr 30, 2026, 17:05`, or `17:05:09` */
export function exactly(time, toTheSecond = false) {
  const date = new Date(time);
  return `${dated(date)}, ${date.getHours()}:${twoDigits(date.getMinutes())}${toTheSecond ? `:${twoDigits(date.getSeconds())}` : ""}`;
}

/** The first whole second from a time on, as a field for times has it. @param {string} time */
export function asTyped(time) {
  const date = new Date(1000 * Math.ceil(new Date(time).getTime() / 1000));
  const parts = [date.getFullYear(), date.getMonth() + 1, date.getDate(), date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits);
  return `${parts.slice(0, 3).join("-")}T${parts.slice(3).join(":")}`;
}

/** A time as it is said: "yesterday", "3 days ago", and a date for what is longer ago. @param {string} time @param {boolean} [isNarrow] "3d ago", as there is room for in a list */
export function ago(time, isNarrow = false) {
  const date = new Date(time);
  const seconds = (Date.now() - date.getTime()) / 1000;
  if (Number.isNaN(seconds)) return "";
  if (seconds < MINUTE) return "just now";
  if (seconds >= AS_A_DATE_AFTER) return dated(date);
  const [unit, name] = seconds < HOUR ? [MINUTE, "minute"] : seconds < DAY ? [HOUR, "hour"] : [DAY, "day"];
  const number = Math.round(seconds / unit);
  if (unit === DAY && number === 1) return "yesterday";
  return isNarrow ? `${number}${name[0]} ago` : `${counted(number, name)} ago`;
}

/** The end of a time, said as people say it: of what ends at midnight, the day before is the last. @param {string} time */
export function until(time) {
  const end = new Date(time);
  return end.getHours() || end.getMinutes() ? `until ${exactly(end)}` : `to the end of ${dated(new Date(end.getTime() - 1))}`;
}

/** The last day of what ends at a time, as a field for dates has it. @param {string | undefined} time */
export function lastDay(time) {
  if (!time) return "";
  const last = new Date(new Date(time).getTime() - 1);
  return [last.getFullYear(), last.getMonth() + 1, last.getDate()].map(twoDigits).join("-");
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
  return kept.length > longest ? `…/${kept.slice(0, longest)}…` : `…/${kept}`;
}

// (Those that the service leaves out of a question which says more.)
const FILLERS = new Set(`a about am an and are as at be been being but by can could did do does for from had has have he her him his how i if in into is it
its just me my no not of on or our she should so such than that the their them then there these they this to too us very was we were what when where which
who whom whose why will with would you your`.split(/\s/));

/** Whether a word says nothing by itself. @param {string} word */
export const isFiller = (word) => FILLERS.has(word.toLowerCase());

/** Those that say something; all of them where none does. @param {string[]} words */
export function telling(words) {
  const found = words.filter((word) => !isFiller(word));
  return found.length ? found : words;
}

/** The words of a question that are worth marking where they are found. @param {string} query */
export function terms(query) {
  return telling([...new Set(query.toLowerCase().match(/[\p{L}\p{N}_]{3,}/gu) || [])]);
}

/** @param {string} written `a, b` @returns {string[]} */
export const listed = (written, by = /[,\n]/) => written.split(by).map((part) => part.trim()).filter(Boolean);
