import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import styles from "./plot.module.css";
import { short } from "./say";

export interface PlotLine {
  label: string;
  /** Which of the eight colours of the theme. */
  colour: number;
  /** Drawn thin and pale, behind: the data under a smoothed line. */
  pale?: boolean;
}

export interface PlotProps {
  /** Places in order, then one column a line; null where a line has no value. */
  data: [number[], ...(number | null)[][]];
  lines: readonly PlotLine[];
  /** Whether places are seconds since 1970. */
  time?: boolean;
  /** What the places are: "step", "seconds". */
  along: string;
  logarithmic?: boolean;
  height?: number;
  /** What is drawn, for whoever does not see it. */
  title: string;
}

const COLOURS = 8;

/** Curves over one axis. Draws on a canvas; new data move it on without building it anew. */
export function Plot({
  data,
  lines,
  time = false,
  along,
  logarithmic = false,
  height = 220,
  title,
}: PlotProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(data);
  latest.current = data;
  const shape = JSON.stringify([lines, time, along, logarithmic, height]);

  useEffect(() => {
    const box = place.current;
    if (!box) return undefined;
    const build = () => {
      plot.current?.destroy();
      const made = JSON.parse(shape) as [PlotLine[], boolean, string, boolean, number];
      plot.current = new uPlot(options(box, made), drawable(latest.current, made[3]), box);
    };
    build();
    const resized = new ResizeObserver(() => {
      if (box.clientWidth) plot.current?.setSize({ width: box.clientWidth, height });
    });
    resized.observe(box);
    const theme = new MutationObserver(build);
    theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => {
      resized.disconnect();
      theme.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape, height]);

  useEffect(() => {
    plot.current?.setData(drawable(data, logarithmic));
  }, [data, logarithmic]);

  return <div ref={place} className={styles.plot} role="img" aria-label={title} />;
}

/** A logarithm has no place for zero and below: those are gaps. */
function drawable(data: PlotProps["data"], logarithmic: boolean): uPlot.AlignedData {
  if (!logarithmic) return data;
  const [places, ...columns] = data;
  return [
    places,
    ...columns.map((one) => one.map((value) => (value !== null && value > 0 ? value : null))),
  ];
}

function options(
  box: HTMLElement,
  [lines, time, along, logarithmic, height]: [PlotLine[], boolean, string, boolean, number],
): uPlot.Options {
  const look = getComputedStyle(box);
  const colour = (name: string) => look.getPropertyValue(`--${name}`).trim();
  const axis: uPlot.Axis = {
    stroke: colour("soft"),
    grid: { stroke: colour("line"), width: 1 },
    ticks: { stroke: colour("line"), width: 1 },
    font: "12px system-ui, sans-serif",
  };
  return {
    width: box.clientWidth || 400,
    height,
    legend: { show: true, live: true },
    cursor: { drag: { x: true, y: false } },
    scales: { x: { time }, y: { distr: logarithmic ? 3 : 1 } },
    axes: [
      {
        ...axis,
        label: along,
        labelSize: 18,
        labelFont: "12px system-ui, sans-serif",
        size: 34,
      },
      {
        ...axis,
        size: 62,
        values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : short(tick))),
      },
    ],
    series: [
      {
        label: along,
        value: (_, value) => (value === null ? "" : time ? clock(value) : short(value)),
      },
      ...lines.map((line) => ({
        label: line.label,
        stroke: tint(colour(`series-${(line.colour % COLOURS) + 1}`), line.pale ?? false),
        width: line.pale ? 1 : 1.75,
        spanGaps: true,
        points: { size: 4 },
        value: (_: uPlot, value: number | null) => (value === null ? "" : short(value)),
      })),
    ],
  };
}

function tint(colour: string, pale: boolean): string {
  return pale ? `${colour}55` : colour;
}

function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString();
}
