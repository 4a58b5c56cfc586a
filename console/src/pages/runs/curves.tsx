import { keepPreviousData, useQueries } from "@tanstack/react-query";
import { useState } from "react";
import { get, type Listed } from "../../api/client";
import { Filter } from "../../parts/filter";
import { Empty, Failure, Loading } from "../../parts/note";
import { Bar } from "../../parts/page";
import { count, several } from "../../parts/say";
import { type Column, Pager, Table } from "../../parts/table";
import { useCalmly } from "./asking";
import { Charts, type Shown } from "./charts";
import type { Metric } from "./types";
import { value } from "./words";

const A_PAGE = 8;
const MOST_RUNS = 8;
const SEARCHED = 3;

/** The metrics of a run, or of the runs that it tracked: searched, a few charts at a time. */
export function Curves({ runs }: { runs: readonly Shown[] }) {
  const [filter, setFilter] = useState("");
  const [page, setPage] = useState(0);
  const shown = runs.slice(0, MOST_RUNS);
  const { metrics, last, total, pending, error } = useMetrics(shown, filter, page);
  useCalmly(shown[0] ? `run:${shown[0].run}` : null, ["metrics"], 2000);
  if (runs.length === 0)
    return (
      <Empty title="Nothing was tracked">
        <p>
          Scripts that log with MLflow inside a run show their curves here; so does a{" "}
          <code>metrics.json</code> that a script leaves.
        </p>
      </Empty>
    );
  const curves = metrics.filter((one) => one.points > 1);
  const numbers = metrics.filter((one) => one.points === 1);
  const search = (text: string) => {
    setFilter(text);
    setPage(0);
  };
  return (
    <>
      <Bar>
        <Filter label="Find a metric" value={filter} onChange={search} />
        <span className="soft number">{several(total, "metric")}</span>
        {runs.length > shown.length ? (
          <span className="soft">{`of the first ${shown.length} tracked runs`}</span>
        ) : null}
      </Bar>
      {error ? <Failure error={error} /> : null}
      {pending ? <Loading of="the metrics" lines={6} /> : null}
      {!pending && total === 0 ? (
        <Empty title={filter ? "No metric holds that" : "No metric was logged yet"} />
      ) : null}
      {curves.length ? <Charts runs={shown} metrics={curves.map((one) => one.metric)} /> : null}
      {numbers.length ? (
        <Numbers of={numbers} runs={shown.slice(0, SEARCHED)} last={last} />
      ) : null}
      {total > A_PAGE ? (
        <Pager
          of="More metrics"
          shown={`${count(page * A_PAGE + 1)}–${count(Math.min(total, (page + 1) * A_PAGE))} of ${count(total)}`}
          before="Before"
          after="Next"
          onBefore={page > 0 ? () => setPage(page - 1) : null}
          onAfter={(page + 1) * A_PAGE < total ? () => setPage(page + 1) : null}
        />
      ) : null}
    </>
  );
}

/** The metrics of the first runs, by name: of several tracked runs they are mostly the same. */
function useMetrics(runs: readonly Shown[], filter: string, page: number) {
  const found = useQueries({
    queries: runs.slice(0, SEARCHED).map(({ run }) => ({
      queryKey: ["metrics", run, filter, page],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        get<Listed<Metric>>(
          `/runs/${run}/metrics`,
          {
            filter,
            limit: A_PAGE,
            after: page ? btoa(JSON.stringify({ offset: page * A_PAGE })) : "",
          },
          signal,
        ),
      placeholderData: keepPreviousData,
    })),
  });
  const names = new Map<string, Metric>();
  for (const one of found)
    for (const metric of one.data?.items ?? []) {
      const known = names.get(metric.metric);
      if (!known || known.points < metric.points) names.set(metric.metric, metric);
    }
  return {
    last: (place: number, metric: string) =>
      found[place]?.data?.items.find((one) => one.metric === metric),
    metrics: [...names.values()].sort((a, b) => (a.metric < b.metric ? -1 : 1)),
    total: Math.max(0, ...found.map((one) => one.data?.total ?? 0)),
    pending: found.some((one) => one.isPending),
    error: found.find((one) => one.error)?.error ?? null,
  };
}

interface NumbersProps {
  of: readonly Metric[];
  runs: readonly Shown[];
  last: (place: number, metric: string) => Metric | undefined;
}

function Numbers({ of, runs, last }: NumbersProps) {
  const several = runs.length > 1;
  const values: Column<Metric>[] = runs.map((run, place) => ({
    key: run.run,
    title: several ? run.label : "Value",
    number: true,
    cell: (row) => {
      const said = last(place, row.metric);
      return said ? value(said.value) : "";
    },
  }));
  const columns: Column<Metric>[] = [
    { key: "metric", title: "Metric", wide: true, cell: (row) => row.metric },
    ...values,
    { key: "step", title: "Step", number: true, minor: true, cell: (row) => count(row.step) },
  ];
  return (
    <>
      <h2>Logged once</h2>
      <Table
        caption="Metrics of one point"
        columns={columns}
        rows={of}
        id={(row) => row.metric}
      />
    </>
  );
}
