// What every part of the page is made with: preact, its hooks, and templates without a build step.
import { Fragment, h, render } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export { useCallback, useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "./vendor/hooks.js";
export { Fragment, render };
export const html = htm.bind(h);

/** @typedef {import("./vendor/preact.js").Child} Child */
