import { useQueries } from "@tanstack/react-query";
import { useState } from "react";
import { get, type Listed } from "../../api/client";
import { Check } from "../../parts/form";
import { Card } from "../../parts/page";
import type { Metric, OneRun, Tracked } from "../runs/types";
import { value } from "../runs/words";
import style from "./compare.module.css";
import { type Dimension, Parallel } from "./coordinates";
import { titleOf } from "./titles";

const MOST_METRICS = 40;
/** What the machine did, which every run logs: its curves are below. */
const MACHINE = "system/";
const MOST_SHOWN = 16;
const MOST_DIMENSIONS = 10;

interface Row {
  run: OneRun;
  tracked: Tracked;
  metrics: Map<string, number | string>;
}

/** Parameters and last values of metrics, run by run; and across all of them as lines. */
export function Params({ runs }: { runs: readonly OneRun[] }) {
  const [differing, setDiffering] = useState(true);
  const some = runs
    .flatMap((run) => run.tracked.slice(0, 20).map((tracked) => ({ run, tracked })))
    .slice(0, 60);
  const found = useQueries({
    queries: some.map(({ tracked }) => ({
      queryKey: ["metrics", tracked.run, "", "last"],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        get<Listed<Metric>>(`/runs/${tracked.run}/metrics`, { limit: MOST_METRICS }, signal),
    })),
  });
  if (some.length === 0) return null;
  const rows: Row[] = some.map((one, at) => ({
    ...one,
    metrics: new Map(
      (found[at]?.data?.items ?? []).map((metric) => [metric.metric, metric.value]),
    ),
  }));
  const params = names(rows.map((row) => row.tracked.params.map((one) => one.name)));
  const metrics = names(rows.map((row) => [...row.metrics.keys()]))
    .filter((name) => !name.startsWith(MACHINE))
    .slice(0, MOST_SHOWN);
  const shown = params.filter(
    (name) => !differing || differs(rows.map((row) => param(row, name))),
  );
  const told = metrics.filter(
    (name) => !differing || differs(rows.map((row) => row.metrics.get(name))),
  );
  return (
    <Card title="Parameters and metrics">
      <Check
        label="Only what differs"
        checked={differing}
        onChange={(event) => setDiffering(event.target.checked)}
      />
      <Parallel
        runs={rows.map((row) => label(row))}
        dimensions={dimensions(rows, shown, metrics)}
      />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keyboard */}
      <section className={style.scroll} tabIndex={0} aria-label="Parameters and metrics by run">
        <table className={style.names}>
          <thead>
            <tr>
              <th scope="col">
                <span className="hidden">Name</span>
              </th>
              {rows.map((row) => (
                <th key={row.tracked.run} scope="col">
                  {label(row)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((name) => (
              <tr key={`param ${name}`}>
                <th scope="row">{name}</th>
                {rows.map((row) => (
                  <td key={row.tracked.run}>{value(param(row, name))}</td>
                ))}
              </tr>
            ))}
            {told.map((name) => (
              <tr key={`metric ${name}`} className={style.metric}>
                <th scope="row">{name}</th>
                {rows.map((row) => (
                  <td key={row.tracked.run}>{value(row.metrics.get(name))}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {shown.length === 0 && params.length ? (
        <p className="soft">All parameters are the same.</p>
      ) : null}
    </Card>
  );
}

function label(row: Row): string {
  return row.tracked.name || titleOf(row.run);
}

function param(row: Row, name: string): string | undefined {
  return row.tracked.params.find((one) => one.name === name)?.value;
}

function names(lists: readonly (readonly string[])[]): string[] {
  return [...new Set(lists.flat())].sort();
}

function differs(values: readonly (string | number | undefined)[]): boolean {
  return new Set(values).size > 1;
}

function dimensions(
  rows: readonly Row[],
  params: readonly string[],
  metrics: readonly string[],
): Dimension[] {
  const made = [
    ...params.map((name) => ({ name, values: rows.map((row) => param(row, name)) })),
    ...metrics.map((name) => ({ name, values: rows.map((row) => row.metrics.get(name)) })),
  ];
  return made.filter((one) => new Set(one.values).size > 1).slice(0, MOST_DIMENSIONS);
}
