import { useMemo, useState } from "react";
import { Field, Select } from "../../parts/form";
import { Failure, Loading } from "../../parts/note";
import { Plot, type PlotLine } from "../../parts/plot";
import { count, several } from "../../parts/say";
import style from "./charts.module.css";
import { useCurves } from "./drawing";
import { type Axis, aligned, along, type Kept, keyOf, smoothed } from "./series";

export interface Shown {
  run: string;
  label: string;
}

interface Props {
  runs: readonly Shown[];
  metrics: readonly string[];
}

const ALONG: Record<Axis, string> = {
  step: "step",
  time: "time",
  relative: "seconds since its first point",
};

/** One chart a metric, the runs over one another; they go on while points are logged. */
export function Charts({ runs, metrics }: Props) {
  const [axis, setAxis] = useState<Axis>("step");
  const [logarithmic, setLogarithmic] = useState(false);
  const [weight, setWeight] = useState(0);
  const names = useMemo(() => runs.map((one) => one.run), [runs]);
  const curves = useCurves(names, metrics);
  return (
    <>
      <div className={style.controls}>
        <Field label="Along">
          <Select value={axis} onChange={(event) => setAxis(event.target.value as Axis)}>
            <option value="step">Step</option>
            <option value="relative">Time since the first point</option>
            <option value="time">Time of day</option>
          </Select>
        </Field>
        <Field label="Scale">
          <Select
            value={logarithmic ? "log" : "linear"}
            onChange={(event) => setLogarithmic(event.target.value === "log")}
          >
            <option value="linear">Linear</option>
            <option value="log">Logarithmic</option>
          </Select>
        </Field>
        <Field
          label={
            weight ? `Smoothed: moving average, weight ${weight.toFixed(2)}` : "Not smoothed"
          }
        >
          <input
            type="range"
            min={0}
            max={0.98}
            step={0.02}
            value={weight}
            onChange={(event) => setWeight(Number(event.target.value))}
          />
        </Field>
      </div>
      {weight ? (
        <p className={style.said}>
          Bold lines are averages (exponential, without its pull to zero); the pale ones are
          what was logged.
        </p>
      ) : null}
      {curves.error ? <Failure error={curves.error} again={curves.again} /> : null}
      {curves.pending && curves.kept.size === 0 ? <Loading of="the curves" lines={6} /> : null}
      <div className={style.charts}>
        {metrics.map((metric) => (
          <Chart
            key={metric}
            metric={metric}
            runs={runs}
            kept={curves.kept}
            look={{ axis, logarithmic, weight }}
          />
        ))}
      </div>
    </>
  );
}

interface Look {
  axis: Axis;
  logarithmic: boolean;
  weight: number;
}

interface ChartProps {
  metric: string;
  runs: readonly Shown[];
  kept: Map<string, Kept>;
  look: Look;
}

function Chart({ metric, runs, kept, look }: ChartProps) {
  const mine = runs
    .map((run, colour) => ({ run, colour, curve: kept.get(keyOf({ run: run.run, metric })) }))
    .filter((one): one is typeof one & { curve: Kept } => one.curve !== undefined);
  const stamp = mine
    .map((one) => `${one.run.run} ${one.curve.total} ${one.curve.steps.length}`)
    .join(";");
  const [data, lines] = useMemo(() => drawn(mine, look), [stamp, look.axis, look.weight]);
  const total = mine.reduce((sum, one) => sum + one.curve.total, 0);
  const shown = mine.reduce((sum, one) => sum + one.curve.steps.length, 0);
  const gaps = mine.some((one) => one.curve.values.some((value) => value === null));
  const below =
    look.logarithmic &&
    mine.some((one) => one.curve.values.some((value) => value !== null && value <= 0));
  if (mine.length === 0) return null;
  return (
    <figure className={style.chart}>
      <figcaption>
        <b>{metric}</b>
        <span className="soft number">
          {shown < total
            ? `${count(shown)} of ${count(total)} points`
            : several(total, "point")}
          {gaps ? ", some not finite" : ""}
          {below ? ", those of zero or less not shown" : ""}
        </span>
      </figcaption>
      <Plot
        data={data}
        lines={lines}
        along={ALONG[look.axis]}
        time={look.axis === "time"}
        logarithmic={look.logarithmic}
        title={`${metric} of ${mine.map((one) => one.run.label).join(", ")}`}
      />
    </figure>
  );
}

function drawn(
  mine: readonly { run: Shown; colour: number; curve: Kept }[],
  look: Look,
): [[number[], ...(number | null)[][]], PlotLine[]] {
  const raw = mine.map((one) => along(one.curve, look.axis));
  const bold = mine.map((one) => ({ label: one.run.label, colour: one.colour }));
  if (look.weight === 0) return [aligned(raw), bold];
  const even = raw.map((line) => ({ xs: line.xs, ys: smoothed(line.ys, look.weight) }));
  const pale = bold.map((one) => ({ ...one, label: `${one.label}, as logged`, pale: true }));
  return [
    aligned([...raw, ...even]),
    [...pale, ...bold.map((one) => ({ ...one, label: `${one.label}, smoothed` }))],
  ];
}
