import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { get, type Listed } from "../../api/client";
import { useMay } from "../../api/me";
import { To } from "../../parts/form";
import { Empty, Failure, Loading } from "../../parts/note";
import { Page } from "../../parts/page";
import { count, Moment } from "../../parts/say";
import { State } from "../../parts/state";
import { Table } from "../../parts/table";
import { useLive } from "../../shell/live";
import type { PipelineLine } from "./types";
import { Next, Recent, Waits } from "./words";

/** Every pipeline: how its last runs went, when the next begins, and why. */
export default function PipelinesPage() {
  const { data, error, refetch } = useQuery({
    queryKey: ["pipelines"],
    queryFn: ({ signal }) => get<Listed<PipelineLine>>("/pipelines", {}, signal),
  });
  useLive("pipelines", ["pipelines"]);
  const may = useMay("run");
  return (
    <Page
      title="Pipelines"
      actions={may ? <To href="/flows/new">Run a pipeline</To> : null}
      about="Tasks in order, each in the fence, each a run on record; what did not change is used again."
    >
      {error ? <Failure error={error} again={() => void refetch()} /> : null}
      {data ? <List of={data.items} /> : error ? null : <Loading of="the pipelines" />}
    </Page>
  );
}

function List({ of }: { of: readonly PipelineLine[] }) {
  if (of.length === 0)
    return (
      <Empty title="No pipeline has run yet">
        <p>
          <code>cloister pipeline run flow.py</code> runs what a file defines;{" "}
          <code>cloister pipeline schedule flow.py</code> lets it start by itself.
        </p>
      </Empty>
    );
  return (
    <Table
      caption="Pipelines"
      rows={of}
      id={(one) => one.name}
      columns={[
        {
          key: "name",
          title: "Pipeline",
          cell: (one) => <Link href={`/pipelines/${one.name}`}>{one.name}</Link>,
        },
        { key: "last", title: "Last run", tight: true, cell: (one) => <Last of={one} /> },
        {
          key: "recent",
          title: "Before it",
          minor: true,
          cell: (one) => <Recent of={one.recent.slice(1)} />,
        },
        {
          key: "runs",
          title: "Runs",
          number: true,
          minor: true,
          cell: (one) => count(one.runs),
        },
        { key: "next", title: "Starts", wide: true, cell: (one) => <Next of={one.schedule} /> },
      ]}
    />
  );
}

function Last({ of }: { of: PipelineLine }) {
  const last = of.recent[0];
  if (last === undefined) return <span className="soft">never</span>;
  return (
    <>
      <Link href={`/flows/${last.flow}`}>
        <State of={last.state} />
      </Link>{" "}
      {last.waiting ? <Waits of={last} /> : <Moment at={last.started} />}
    </>
  );
}
