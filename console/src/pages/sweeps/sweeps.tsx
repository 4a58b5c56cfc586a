import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { get, type Listed } from "../../api/client";
import { Empty, Failure, Loading } from "../../parts/note";
import { Page } from "../../parts/page";
import { count, Moment } from "../../parts/say";
import { State } from "../../parts/state";
import { Table } from "../../parts/table";
import { useLive } from "../../shell/live";
import type { SweepLine } from "./types";
import { figure } from "./words";

/** Every sweep, and the best that it found so far. */
export default function SweepsPage() {
  const { data, error, refetch } = useQuery({
    queryKey: ["sweeps"],
    queryFn: ({ signal }) => get<Listed<SweepLine>>("/sweeps", {}, signal),
  });
  useLive("sweeps", ["sweeps"]);
  return (
    <Page
      title="Sweeps"
      about="Searches for good parameters: each trial is a run in the fence."
    >
      {error ? <Failure error={error} again={() => void refetch()} /> : null}
      {data ? <List of={data.items} /> : error ? null : <Loading of="the sweeps" />}
    </Page>
  );
}

function List({ of }: { of: readonly SweepLine[] }) {
  if (of.length === 0)
    return (
      <Empty title="No sweep has run yet">
        <p>
          <code>cloister sweep sweep.yaml</code> takes a sweep file of Weights & Biases as it
          is.
        </p>
      </Empty>
    );
  return (
    <Table
      caption="Sweeps, newest first"
      rows={of}
      id={(one) => one.sweep}
      columns={[
        {
          key: "name",
          title: "Sweep",
          wide: true,
          cell: (one) => <Link href={`/sweeps/${one.sweep}`}>{one.name || one.sweep}</Link>,
        },
        { key: "state", title: "State", cell: (one) => <State of={one.state} /> },
        {
          key: "best",
          title: "Best so far",
          number: true,
          cell: (one) => figure(one.best),
        },
        { key: "metric", title: "Of", minor: true, cell: (one) => one.metric },
        {
          key: "trials",
          title: "Trials",
          number: true,
          minor: true,
          cell: (one) => count(one.trials),
        },
        { key: "method", title: "Method", minor: true, cell: (one) => one.method },
        {
          key: "started",
          title: "Started",
          tight: true,
          minor: true,
          cell: (one) => <Moment at={one.started} />,
        },
      ]}
    />
  );
}
