// What was typed and not saved: it is kept as long as the page is open, and shown again where it was typed.

/** @typedef {{form: any, opened?: import("./api.js").Memory, project?: string}} Draft what was typed, and what it is about as it was then */

/** @type {Map<string, Draft>} */
const drafts = new Map();

/** The draft of a form. @param {string} name such as `correct 12` */
export const draftOf = (name) => drafts.get(name);

/** Keep a draft, or none any more. @param {string} name @param {Draft} [draft] */
export const keepDraft = (name, draft) => void (draft ? drafts.set(name, draft) : drafts.delete(name));

/** What there are drafts of for a memory. @param {number} id @returns {string[]} `correct`, `supersede` */
export const draftsFor = (id) => ["correct", "supersede"].filter((kind) => drafts.has(`${kind} ${id}`));
