import { useState } from "react";
import { short } from "../../parts/say";
import style from "./compare.module.css";
import { type Dimension, placed } from "./parallel";

export type { Dimension } from "./parallel";

const HEIGHT = 230;
const TOP = 34;
const BOTTOM = 200;
const APART = 120;
const EDGE = 60;
const NAMED = 4;

/** Parallel coordinates: one axis a parameter or metric, one line a run. */
export function Parallel({
  runs,
  dimensions,
  best = -1,
}: {
  runs: readonly string[];
  dimensions: readonly Dimension[];
  /** Which of them stands out; the others are pale then. */
  best?: number;
}) {
  const [over, setOver] = useState<number | null>(null);
  if (dimensions.length < 2 || runs.length < 2) return null;
  const axes = dimensions.map(placed);
  const width = EDGE * 2 + APART * (axes.length - 1);
  const x = (at: number) => EDGE + at * APART;
  const y = (part: number) => BOTTOM - part * (BOTTOM - TOP);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keyboard
    <section className={style.parallel} tabIndex={0} aria-label="Parallel coordinates">
      <svg
        viewBox={`0 0 ${width} ${HEIGHT}`}
        width={width}
        height={HEIGHT}
        role="img"
        aria-label={`Parallel coordinates: ${runs.length} lines over ${some(dimensions.map((one) => one.name))}`}
      >
        {dimensions.map((dimension, at) => (
          <g key={dimension.name}>
            <line x1={x(at)} x2={x(at)} y1={TOP} y2={BOTTOM} className={style.axis} />
            <text x={x(at)} y={14} textAnchor="middle" className={style.axisName}>
              {cut(dimension.name)}
            </text>
          </g>
        ))}
        {runs.map((name, run) => {
          const points = axes
            .map((axis, at) => [x(at), axis.parts[run]] as const)
            .filter(
              (point): point is readonly [number, number] =>
                point[1] !== null && point[1] !== undefined,
            );
          const path = points
            .map(([at, part], number) => `${number ? "L" : "M"}${at} ${y(part)}`)
            .join("");
          return (
            // biome-ignore lint/a11y/noStaticElementInteractions: what it shows is in the table below too
            <path
              key={`${name} ${run}`}
              d={path}
              className={`${style.line} ${style[`stroke${run % 8}`]} ${over === run || best === run ? style.over : best < 0 ? "" : style.pale}`}
              onMouseEnter={() => setOver(run)}
              onMouseLeave={() => setOver(null)}
            >
              <title>{name}</title>
            </path>
          );
        })}
        {axes.map((axis, at) =>
          axis.ticks.map((tick) => (
            <text
              key={`${at} ${tick.text}`}
              x={x(at) + 6}
              y={y(tick.part) + 4}
              className={style.tick}
            >
              {cut(tick.text)}
            </text>
          )),
        )}
        <text x={EDGE} y={HEIGHT - 6} className={style.tick}>
          {over === null ? (runs[best] ?? "") : runs[over]}
        </text>
      </svg>
    </section>
  );
}

/** The first few, and how many more. */
function some(names: readonly string[]): string {
  const more = names.length - NAMED;
  return `${names.slice(0, NAMED).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

function cut(text: string): string {
  const number = Number(text);
  const said = text !== "" && Number.isFinite(number) ? short(number) : text;
  return said.length > 16 ? `${said.slice(0, 15)}…` : said;
}
