import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { get, type Listed } from "../../api/client";
import { useMay, useMe } from "../../api/me";
import { Empty, Failure, Loading, Note } from "../../parts/note";
import { Card, Grid, Page } from "../../parts/page";
import { count, Moment, several } from "../../parts/say";
import { State } from "../../parts/state";
import { useLive } from "../../shell/live";
import { useCalmly } from "../runs/asking";
import type { RunRow } from "../runs/types";
import { Fence, lasted, Standing } from "../runs/words";
import { Health } from "./health";
import style from "./overview.module.css";

const LATELY = 8;

/** What needs somebody first, what runs now, and what happened lately. */
export default function OverviewPage() {
  const me = useMe();
  return (
    <Page title="Overview" about={me ? `${me.name}, ${me.role}` : undefined}>
      <Health />
      <Waiting />
      <Grid>
        <Running />
        <Data />
      </Grid>
      <Lately />
    </Page>
  );
}

interface Approval {
  approval: string;
  action: string;
  state?: string;
  who?: string;
  asked?: string;
  time?: string;
  expires?: string;
}

/** What only a second person can let through, where whoever looks may. */
function Waiting() {
  const approves = useMay("approve");
  const found = useQuery({
    queryKey: ["approvals", "waiting"],
    queryFn: ({ signal }) => get<Listed<Approval>>("/approvals", {}, signal),
  });
  useLive("approvals", ["approvals"]);
  const waiting = found.data?.items ?? [];
  if (waiting.length === 0) return null;
  return (
    <Note kind="warn">
      <b>
        {waiting.length === 1 ? "One request waits" : `${count(waiting.length)} requests wait`}
      </b>{" "}
      for a second person{approves ? "" : " who may approve"}.{" "}
      <Link href="/approvals">Look at them</Link>
    </Note>
  );
}

function Running() {
  const found = useQuery({
    queryKey: ["runs", "running"],
    queryFn: ({ signal }) =>
      get<Listed<RunRow>>(
        "/runs",
        { filter: "attributes.status = 'RUNNING'", limit: 6 },
        signal,
      ),
  });
  const rows = found.data?.items ?? [];
  return (
    <Card title={found.data ? `Running now (${count(found.data.total)})` : "Running now"}>
      {found.isError ? <Failure error={found.error} /> : null}
      {found.isPending ? <Loading lines={2} of="what runs" /> : null}
      {found.data && rows.length === 0 ? <p className="soft">Nothing runs.</p> : null}
      <ul className={style.list}>
        {rows.map((row) => (
          <li key={row.run}>
            <Link href={`/runs/${row.run}?tab=${row.tracked ? "curves" : "about"}`}>
              {row.name || row.run}
            </Link>
            <span className="soft">
              {row.who}, for {lasted(row.started, null)}
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}

interface Dataset {
  name?: string;
  dataset?: string;
  latest?: { number: number; records: number; subjects: number; time: string } | null;
  quarantined?: number;
  unfinished?: number | null;
  findings?: { code: string; severity: string; count: number }[];
}

function Data() {
  const found = useQuery({
    queryKey: ["data", "overview"],
    queryFn: ({ signal }) => get<Listed<Dataset>>("/data", {}, signal),
  });
  useLive("data", ["data", "overview"]);
  const sets = [...(found.data?.items ?? [])]
    .sort((a, b) => (b.latest?.time ?? "").localeCompare(a.latest?.time ?? ""))
    .slice(0, 6);
  return (
    <Card title="Data, newest first">
      {found.isError ? <Failure error={found.error} /> : null}
      {found.isPending ? <Loading lines={2} of="the data" /> : null}
      {found.data && sets.length === 0 ? (
        <p className="soft">
          None yet: <code>cloister add ./scans --labels labels.csv</code>
        </p>
      ) : null}
      <ul className={style.list}>
        {sets.map((one) => {
          const name = one.name ?? one.dataset ?? "";
          const version = one.latest;
          return (
            <li key={name}>
              <Link href={version ? `/data/${name}/${version.number}` : "/data"}>
                {version ? `${name}@${version.number}` : name}
              </Link>
              <span className="soft number">
                {version
                  ? `${several(version.subjects, "subject")}, ${several(version.records, "record")}`
                  : "no version"}
                {one.quarantined ? `, ${count(one.quarantined)} set aside` : ""}
                {typeof one.unfinished === "number" ? ", an add is not finished" : ""}
                {one.findings?.length
                  ? `, ${several(one.findings.length, "kind")} of findings`
                  : ""}
              </span>
            </li>
          );
        })}
      </ul>
    </Card>
  );
}

function Lately() {
  const found = useQuery({
    queryKey: ["runs", "lately"],
    queryFn: ({ signal }) => get<Listed<RunRow>>("/runs", { limit: LATELY }, signal),
  });
  useCalmly("runs", ["runs"]);
  const rows = found.data?.items ?? [];
  return (
    <Card title="Runs lately">
      {found.isError ? (
        <Failure error={found.error} again={() => void found.refetch()} />
      ) : null}
      {found.isPending ? <Loading of="the runs" /> : null}
      {found.data && rows.length === 0 ? (
        <Empty title="No run yet">
          <p>
            Train your own script on sealed data:{" "}
            <code>cloister run -- python train.py --data ./scans</code>
          </p>
        </Empty>
      ) : null}
      <ul className={style.list}>
        {rows.map((row) => (
          <li key={row.run}>
            <span className={style.run}>
              <State of={row.state} />
              <Link href={`/runs/${row.run}`}>{row.name || row.run}</Link>
              <Fence level={row.fence} there={row.fenced !== null} />
              <Standing of={row.standing} />
            </span>
            <span className="soft">
              {row.who}
              {row.data.length ? `, on ${row.data.join(", ")}` : ""}
              {row.started ? ", " : ""}
              {row.started ? <Moment at={row.started} /> : null}
            </span>
          </li>
        ))}
      </ul>
      {found.data && found.data.total > rows.length ? (
        <p>
          <Link href="/runs">{`All ${count(found.data.total)} runs`}</Link>
        </p>
      ) : null}
    </Card>
  );
}
