// Charts of days, each with a table of the same numbers for those who cannot see it.
import { html, useEffect, useRef, useState } from "./lib.js";

/** @typedef {{label: string, values: (number | null)[], colour: string}} Series */

const HEIGHT = 200;
const STYLE = "/ui/vendor/uplot.css";

/** What a colour of the style sheet is now. @param {string} name @param {HTMLElement} where */
function colour(name, where) {
  const probe = where.appendChild(document.createElement("i"));
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** Values on top of each other: the first series is drawn last. @param {(number | null)[][]} all */
const stacked = (all) => all.map((_, place) => all[0].map((_, day) => all.slice(0, place + 1).reduce((sum, values) => sum + (values[day] || 0), 0)));

/** Load the style sheet of the charts, once. @returns {Promise<unknown>} */
function dressed() {
  if (document.querySelector(`link[href="${STYLE}"]`)) return Promise.resolve();
  const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: STYLE });
  const there = new Promise((done) => (link.onload = link.onerror = done));
  document.head.append(link);
  return there;
}

/** @param {{days: string[], series: Series[], bars: boolean}} props */
function Chart({ days, series, bars }) {
  const held = useRef(/** @type {HTMLDivElement | null} */ (null));
  const [theme, setTheme] = useState(document.documentElement.dataset.theme);
  useEffect(() => {
    const watching = new MutationObserver(() => setTheme(document.documentElement.dataset.theme));
    watching.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => watching.disconnect();
  }, []);
  useEffect(() => {
    const box = held.current;
    /** @type {any} */
    let plot;
    let isGone = false;
    const sizes = new ResizeObserver(() => box && plot?.setSize({ width: box.clientWidth, height: HEIGHT }));
    const draw = async () => {
      const [{ default: uPlot }] = await Promise.all([import("./vendor/uplot.js"), dressed()]);
      if (isGone || !box) return;
      const font = "12px system-ui, sans-serif";
      const axis = { stroke: colour("--quiet", box), grid: { stroke: colour("--line", box), width: 1 }, ticks: { show: false }, font };
      const drawn = bars ? stacked(series.map((one) => one.values)).reverse() : series.map((one) => one.values);
      const order = bars ? [...series].reverse() : series;
      plot = new uPlot(
        {
          width: box.clientWidth, height: HEIGHT, legend: { show: false }, cursor: { show: false },
          scales: { y: { range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number} */ most) => [0, Math.max(1, most * 1.1)] } },
          axes: [{ ...axis, size: 28, space: 64, values: "{MMM} {D}" }, { ...axis, size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000] }],
          series: [{}, ...order.map((one) => ({
            label: one.label, stroke: colour(one.colour, box), width: bars ? 0 : 2, spanGaps: true,
            ...(bars ? { fill: colour(one.colour, box), paths: uPlot.paths.bars({ size: [0.7, 24] }), points: { show: false } } : { points: { show: true, size: 6, fill: colour(one.colour, box) } }),
          }))],
        },
        [days.map((day) => Date.parse(day) / 1000), ...drawn], box,
      );
      sizes.observe(box);
    };
    draw();
    return () => {
      isGone = true;
      sizes.disconnect();
      plot?.destroy();
    };
  }, [days.join(), JSON.stringify(series), theme]);
  const rows = days.map((day, place) => ({ day, values: series.map((one) => one.values[place]) })).filter((row) => row.values.some(Boolean));
  return html`<figure class="chart">
    <div ref=${held} class="plot" aria-hidden="true"></div>
    <figcaption><ul class="legend" aria-hidden="true">${series.map((one) => html`<li><i class=${`key key${one.colour}`}></i>${one.label}</li>`)}</ul>
      <details><summary>As a table</summary><table><thead><tr><th scope="col">Day</th>${series.map((one) => html`<th scope="col" class="num">${one.label}</th>`)}</tr></thead>
        <tbody>${rows.map((row) => html`<tr><td>${row.day}</td>${row.values.map((value) => html`<td class="num">${value === null ? "–" : Math.round(value)}</td>`)}</tr>`)}</tbody></table></details>
    </figcaption></figure>`;
}

/** @param {{days: string[], series: Series[]}} props */
export const Bars = (props) => html`<${Chart} ...${props} bars />`;
/** @param {{days: string[], series: Series[]}} props */
export const Lines = (props) => html`<${Chart} ...${props} bars=${false} />`;
