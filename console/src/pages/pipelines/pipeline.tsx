import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { useAct } from "../../api/act";
import { get, type Listed, send } from "../../api/client";
import { useMay } from "../../api/me";
import { Button } from "../../parts/form";
import { Badge, Empty, Failure, Loading } from "../../parts/note";
import { Bar, Card, Facts, Page } from "../../parts/page";
import { count, Moment, moment } from "../../parts/say";
import { State } from "../../parts/state";
import { Sure } from "../../parts/sure";
import { Table } from "../../parts/table";
import { useLive } from "../../shell/live";
import { Again, useBegin } from "./again";
import type { FlowLine, PipelinePage, ScheduleLine } from "./types";
import { Next, took, Waits } from "./words";

const MOST = 200;

/** One pipeline: what starts it, what it may be told, and every run of it. */
export default function Pipeline({ params }: { params: Readonly<Record<string, string>> }) {
  const { pipeline = "" } = params;
  const where = `/pipelines/${encodeURIComponent(pipeline)}`;
  const one = useQuery({
    queryKey: ["pipeline", pipeline],
    queryFn: ({ signal }) => get<PipelinePage>(where, {}, signal),
  });
  const flows = useQuery({
    queryKey: ["pipeline", pipeline, "flows"],
    queryFn: ({ signal }) => get<Listed<FlowLine>>(`${where}/flows`, { limit: MOST }, signal),
  });
  useLive("pipelines", ["pipeline", pipeline]);
  const error = one.error ?? flows.error;
  const may = useMay("run");
  const last = one.data?.line.recent[0];
  return (
    <Page title={pipeline} kind={<Link href="/pipelines">Pipelines</Link>}>
      {error ? <Failure error={error} again={() => void one.refetch()} /> : null}
      {one.data && flows.data ? (
        <>
          {one.data.line.schedule ? (
            <Schedule of={one.data.line.schedule} pipeline={pipeline} />
          ) : null}
          {may && last ? <Again flow={last.flow} parameters={one.data.parameters} /> : null}
          <Flows of={flows.data} />
        </>
      ) : error ? null : (
        <Loading of="the pipeline" />
      )}
    </Page>
  );
}

const MISFIRES: Record<string, string> = {
  latest: "runs once for those that passed",
  all: "runs for each that passed",
  skip: "lets them pass",
};

function Schedule({ of, pipeline }: { of: ScheduleLine; pipeline: string }) {
  const may = useMay("run");
  const where = `/pipelines/${encodeURIComponent(pipeline)}/schedule`;
  const stale = ["pipeline", "pipelines"];
  const begin = useBegin(`${where}/run`);
  const end = useAct(() => send("DELETE", where), stale);
  const hold = useAct((how: "pause" | "unpause") => send("POST", `${where}/${how}`, {}), stale);
  const error = begin.error ?? end.error ?? hold.error;
  return (
    <Card
      title="Starts by itself"
      beside={of.paused ? <Badge kind="warn">paused</Badge> : <Badge kind="good">on</Badge>}
    >
      <Facts
        of={[
          ["When", of.on.join(", ")],
          ["Next", of.paused ? <Next key="next" of={of} /> : <Times key="next" of={of} />],
          ["If nobody was up, or it was paused", MISFIRES[of.misfire] ?? of.misfire],
        ]}
      />
      {error ? <Failure error={error} /> : null}
      {may ? (
        <Bar>
          <Button small plain busy={begin.isPending} onClick={() => begin.mutate({})}>
            Run it now
          </Button>
          <Button
            small
            plain
            busy={hold.isPending}
            onClick={() => hold.mutate(of.paused ? "unpause" : "pause")}
          >
            {of.paused ? "Let it start again" : "Pause"}
          </Button>
          <Sure
            label="Start it no more"
            what={pipeline}
            busy={end.isPending}
            onYes={() => end.mutate()}
          />
        </Bar>
      ) : null}
    </Card>
  );
}

/** The next times, where there are any. */
function Times({ of }: { of: ScheduleLine }) {
  if (of.times.length === 0) return <Next of={of} />;
  const [first = "", ...later] = of.times;
  return (
    <>
      <Moment at={first} />, {moment(first)}
      {later.length ? (
        <span className="soft">{`, then ${later.map(moment).join(", ")}`}</span>
      ) : null}
    </>
  );
}

function Flows({ of }: { of: Listed<FlowLine> }) {
  if (of.items.length === 0) return <Empty title="It has not run yet" />;
  return (
    <>
      <h2>Runs</h2>
      <Table
        caption="Runs of the pipeline, newest first"
        rows={of.items}
        id={(one) => one.flow}
        columns={[
          {
            key: "flow",
            title: "Run",
            wide: true,
            cell: (one) => <Link href={`/flows/${one.flow}`}>{one.flow}</Link>,
          },
          {
            key: "state",
            title: "State",
            cell: (one) => (
              <>
                <State of={one.state} /> <Waits of={one} />
              </>
            ),
          },
          { key: "why", title: "Began because", minor: true, tight: true, cell: reason },
          {
            key: "started",
            title: "Started",
            tight: true,
            cell: (one) => <Moment at={one.started} />,
          },
          {
            key: "took",
            title: "Took",
            minor: true,
            number: true,
            tight: true,
            cell: (one) => took(one.started, one.finished),
          },
          {
            key: "steps",
            title: "Steps",
            number: true,
            minor: true,
            cell: (one) => count(one.steps),
          },
        ]}
      />
      {of.total > of.items.length ? (
        <p className="soft">{`The newest ${count(of.items.length)} of ${count(of.total)}.`}</p>
      ) : null}
    </>
  );
}

/** Why a run of a pipeline began. */
export function reason(one: FlowLine): string {
  const due = one.due ? `, for ${moment(one.due)}` : "";
  return `${one.reason === "asked" ? "somebody asked" : one.reason}${due}`;
}
