import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { useAct } from "../../api/act";
import { get, send } from "../../api/client";
import { useMay } from "../../api/me";
import { Empty, Failure, Loading, Note } from "../../parts/note";
import { Card, Facts, Grid, Line, Page } from "../../parts/page";
import { count, Id, Moment, span } from "../../parts/say";
import { State } from "../../parts/state";
import { Sure } from "../../parts/sure";
import { Table } from "../../parts/table";
import { Parallel } from "../compare/coordinates";
import { useCalmly } from "../runs/asking";
import { Course } from "./course";
import { Importance } from "./importance";
import type { SweepPage, Trial } from "./types";
import { figure, said } from "./words";

const DRAWN = 150;
const LISTED = 300;

/** One sweep: the best it found, how the search went, what mattered, and every trial. */
export default function Sweep({ params }: { params: Readonly<Record<string, string>> }) {
  const { sweep = "" } = params;
  const { data, error, refetch } = useQuery({
    queryKey: ["sweep", sweep],
    queryFn: ({ signal }) => get<SweepPage>(`/sweeps/${encodeURIComponent(sweep)}`, {}, signal),
  });
  useCalmly(`sweep:${sweep}`, ["sweep", sweep]);
  useCalmly(data?.state === "running" ? "sweeps" : null, ["sweep", sweep]);
  if (data) return <Whole of={data} error={error} />;
  return (
    <Page title="Sweep" kind={<Link href="/sweeps">Sweeps</Link>}>
      {error ? (
        <Failure error={error} again={() => void refetch()} />
      ) : (
        <Loading of="the sweep" lines={8} />
      )}
    </Page>
  );
}

function Whole({ of, error }: { of: SweepPage; error: unknown }) {
  const may = useMay("run");
  const stop = useAct(() => send("POST", `/sweeps/${of.sweep}/stop`, {}), ["sweep", "sweeps"]);
  const done = of.trials.filter((one) => one.state === "finished");
  return (
    <Page
      title={of.name}
      kind={<Link href="/sweeps">Sweeps</Link>}
      about={
        <Line>
          <State of={of.state} />
          <span>{of.method === "bayes" ? "bayes, searched by TPE" : of.method}</span>
          {of.metric ? <span>{`${of.goal}s ${of.metric}`}</span> : null}
          <span>
            {`${count(of.trials.length)}${of.cap ? ` of ${count(of.cap)}` : ""} trials`}
          </span>
          <Moment at={of.started} />
          <Id of={of.sweep} short={24} />
        </Line>
      }
      actions={
        may && of.state === "running" ? (
          <Sure
            label="Stop it"
            what={of.name}
            busy={stop.isPending}
            onYes={() => stop.mutate()}
          />
        ) : null
      }
    >
      {error || stop.error ? <Failure error={error ?? stop.error} /> : null}
      {of.description ? <p>{of.description}</p> : null}
      {of.because && of.state !== "finished" ? <Note>{`It ended: ${of.because}.`}</Note> : null}
      {of.best ? (
        <Best of={of} best={of.best} />
      ) : (
        <Empty
          title={of.state === "running" ? "No trial has finished yet" : "No trial has finished"}
        />
      )}
      <Grid>
        <Course of={of} />
        <Importance sweep={of.sweep} trials={done.length} />
      </Grid>
      <Coordinates of={of} />
      <Trials of={of} />
    </Page>
  );
}

function Best({ of, best }: { of: SweepPage; best: Trial }) {
  return (
    <Card title="Best so far">
      <Facts
        of={[
          [of.metric ?? "value", <strong key="value">{figure(best.value)}</strong>],
          [
            "Trial",
            <Link key="run" href={`/runs/${best.run}`}>
              {`${best.number}, ${best.run}`}
            </Link>,
          ],
          ...of.names.map((name) => [name, said(best.values[name])] as const),
          ["Make it again", <code key="line">{of.reproduce}</code>],
        ]}
      />
    </Card>
  );
}

/** One axis a parameter, the metric last; the best stands out. */
function Coordinates({ of }: { of: SweepPage }) {
  const shown = of.trials.filter((one) => typeof one.value === "number").slice(-DRAWN);
  const best = of.best;
  if (best && !shown.some((one) => one.number === best.number)) shown.push(best);
  if (shown.length < 2 || of.names.length === 0) return null;
  const values = (name: string) => shown.map((one) => plain(one.values[name]));
  return (
    <Card title="Trials over their parameters">
      <Parallel
        runs={shown.map((one) => `trial ${one.number}: ${figure(one.value)}`)}
        dimensions={[
          ...of.names.map((name) => ({ name, values: values(name) })),
          { name: of.metric ?? "value", values: shown.map((one) => one.value as number) },
        ]}
        best={shown.findIndex((one) => one.number === best?.number)}
      />
    </Card>
  );
}

function plain(value: unknown): string | number | undefined {
  if (value === undefined) return undefined;
  return typeof value === "number" ? value : said(value);
}

function Trials({ of }: { of: SweepPage }) {
  const rows = [...of.trials].reverse().slice(0, LISTED);
  const spread = new Set(of.trials.map((one) => one.on)).size > 1;
  return (
    <>
      <h2>Trials</h2>
      <Table
        caption="Trials, newest first"
        rows={rows}
        id={(one) => String(one.number)}
        chosen={of.best ? String(of.best.number) : null}
        columns={[
          {
            key: "number",
            title: "Trial",
            cell: (one) => <Link href={`/runs/${one.run}`}>{one.number}</Link>,
          },
          {
            key: "state",
            title: "State",
            cell: (one) => (
              <>
                <State of={one.state} /> <span className="soft">{one.because}</span>
              </>
            ),
          },
          {
            key: "value",
            title: of.metric ?? "value",
            number: true,
            cell: (one) => figure(one.value),
          },
          ...(spread
            ? [{ key: "at", title: "At", minor: true, cell: (one: Trial) => one.on ?? "here" }]
            : []),
          ...of.names.slice(0, 6).map((name) => ({
            key: name,
            title: name,
            minor: true,
            number: true,
            cell: (one: Trial) => said(one.values[name]),
          })),
          {
            key: "took",
            title: "Took",
            number: true,
            minor: true,
            tight: true,
            cell: (one) => (one.took_s === null ? "" : span(one.took_s * 1000)),
          },
        ]}
      />
      {of.trials.length > rows.length ? (
        <p className="soft">{`The newest ${count(rows.length)} of ${count(of.trials.length)}.`}</p>
      ) : null}
    </>
  );
}
