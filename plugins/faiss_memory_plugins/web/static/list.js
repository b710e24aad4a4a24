// A list of ten thousand: only the rows that can be seen are there.
import { html, useEffect, useLayoutEffect, useRef, useState } from "./lib.js";

const BEYOND = 6;

/**
 * @template {{id: number}} T
 * @param {{items: T[], height: number, current: number, row: (item: T, place: number) => any, more?: () => void, label: string}} props
 * `height` of a row in pixels; `more` is called when the end comes near
 */
export function VirtualList({ items, height, current, row, more, label }) {
  const held = useRef(/** @type {HTMLDivElement | null} */ (null));
  const [view, setView] = useState({ top: 0, seen: innerHeight });
  useLayoutEffect(() => {
    const box = held.current;
    if (!box) return;
    const look = () => setView({ top: box.scrollTop, seen: box.clientHeight });
    // (Called the first time as soon as the size is known, which to ask for here would lay out the page once more.)
    const sizes = new ResizeObserver(look);
    sizes.observe(box);
    return () => sizes.disconnect();
  }, []);
  useLayoutEffect(() => {
    const box = held.current;
    if (!box || current < 0) return;
    const top = current * height;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + height > box.scrollTop + box.clientHeight) box.scrollTop = top + height - box.clientHeight;
  }, [current, height]);
  const first = Math.max(0, Math.floor(view.top / height) - BEYOND);
  const last = Math.min(items.length, Math.ceil((view.top + view.seen) / height) + BEYOND);
  useEffect(() => {
    if (more && last >= items.length - 2 * BEYOND) more();
  }, [last, items.length]);
  const onScroll = () => held.current && setView({ top: held.current.scrollTop, seen: held.current.clientHeight });
  const places = [...Array(Math.max(0, last - first)).keys()].map((place) => place + first);
  // The one with the focus stays there, wherever one scrolls.
  if (current >= 0 && current < items.length && !places.includes(current)) places.push(current);
  return html`<div class="virtual" ref=${held} onScroll=${onScroll}>
    <ul role="list" aria-label=${label} style=${{ height: `${items.length * height}px` }}>
      ${places.map(
        (place) => html`<li key=${items[place].id} aria-setsize=${items.length} aria-posinset=${place + 1}
          style=${{ transform: `translateY(${place * height}px)`, height: `${height}px` }}>${row(items[place], place)}</li>`,
      )}
    </ul>
  </div>`;
}
