import { useState } from "react";
import { Link } from "wouter";
import { useMay } from "../../api/me";
import { Filter } from "../../parts/filter";
import { Badge, Note } from "../../parts/note";
import { Card, Facts, Grid } from "../../parts/page";
import { bytes, count, Id, Moment, several, span } from "../../parts/say";
import { State } from "../../parts/state";
import { type Column, Table } from "../../parts/table";
import { Remarks } from "./remarks";
import { Reproduce } from "./reproduce";
import style from "./run.module.css";
import type { Fenced, Given, Model, Named, OneRun, Tracked } from "./types";

const MOST = 12;

/** What a run was, what it read, what the fence saw, what came of it. */
export function About({ one }: { one: OneRun }) {
  const { fenced, tracked } = one;
  return (
    <>
      {fenced === null ? (
        <Note kind="warn">
          No fence was around this run: what it read, which code ran and whether anything left
          are its own words.
        </Note>
      ) : null}
      {fenced?.tainted ? (
        <Note kind="warn">
          Somebody was erased whose data this run was given: what it left may still hold them.
        </Note>
      ) : null}
      {one.findings.length ? <Findings one={one} /> : null}
      {fenced ? <Ran fenced={fenced} /> : null}
      {tracked.length > 1 ? <Tracking tracked={tracked} total={one.tracked_total} /> : null}
      {tracked.length === 1 ? <Logged tracked={tracked[0] as Tracked} /> : null}
      {fenced ? <Reproduce fenced={fenced} /> : null}
      {fenced ? <Remarks run={fenced.run} /> : null}
      {fenced ? <Settings fenced={fenced} /> : null}
    </>
  );
}

function Findings({ one }: { one: OneRun }) {
  return (
    <Note kind="warn">
      <b>It said which patient it was about.</b> Ids were replaced by pseudonyms before they
      were stored:
      <ul className={style.findings}>
        {one.findings.slice(0, 20).map((found) => (
          <li key={`${found.place} ${found.subject}`}>
            {found.subject} in{" "}
            {found.place === "output" ? "what it printed" : `the ${found.place} of a log call`}
          </li>
        ))}
      </ul>
      {one.findings.length > 20 ? `and ${one.findings.length - 20} more` : null}
    </Note>
  );
}

function Ran({ fenced }: { fenced: Fenced }) {
  const reads = useMay("read");
  const report = fenced.fence;
  const refused = Object.entries(report?.refused_syscalls ?? {});
  return (
    <>
      <Card title="What ran">
        {fenced.start ? (
          <pre className={style.command}>{fenced.start.command}</pre>
        ) : (
          <p className="soft">
            {reads
              ? "The key of its command line was destroyed, or is locked away."
              : "Command lines may name patients: they are shown to those who may read data."}
          </p>
        )}
        <Facts
          of={[
            ...(fenced.start?.folder
              ? ([["In folder", <code key="folder">{fenced.start.folder}</code>]] as const)
              : []),
            [
              "Exit status",
              fenced.exit_status === null ? "none yet" : String(fenced.exit_status),
            ],
            ["Code", <Id key="code" of={fenced.code} />],
            ["Environment", <Id key="environment" of={fenced.environment} />],
          ]}
        />
      </Card>
      <Grid>
        <Card title="On which data">
          {fenced.inputs.length ? (
            <Data inputs={fenced.inputs} />
          ) : (
            <p className="soft">It was given none.</p>
          )}
        </Card>
        <Card title="What the fence saw">
          {report ? (
            <Facts
              of={[
                [
                  "Strength",
                  <Badge key="level" kind={report.level === "full" ? "good" : "warn"}>
                    {report.level}
                  </Badge>,
                ],
                [
                  "Tried to leave",
                  report.network_attempts
                    ? `${several(report.network_attempts, "time")}, and failed`
                    : "never",
                ],
                [
                  "Refused",
                  refused.length
                    ? refused.map(([name, times]) => `${name} ${times}×`).join(", ")
                    : "nothing",
                ],
                ["Memory, at most", bytes(report.peak_memory_bytes)],
                ["Time", span(report.wall_ms)],
                ...report.notes.map((note, at) => [at ? "" : "Because", note] as const),
              ]}
            />
          ) : (
            <p className="soft">It tells when the run has ended.</p>
          )}
        </Card>
      </Grid>
      {fenced.models.length ? (
        <Models models={fenced.models} attested={fenced.attested} />
      ) : null}
    </>
  );
}

function Data({ inputs }: { inputs: readonly Given[] }) {
  return (
    <ul className={style.inputs}>
      {inputs.map((one) => (
        <li key={one.name}>
          <Link href={`/data/${one.dataset}/${one.number}`}>{one.name}</Link>
          <span className="soft number">
            {one.part ? "of " : ""}
            {`${several(one.subjects, "subject")}, ${several(one.records, "record")}`}
          </span>
        </li>
      ))}
    </ul>
  );
}

function Models({ models, attested }: { models: readonly Model[]; attested: boolean }) {
  return (
    <Card title="Models">
      <ul className={style.inputs}>
        {models.map((one) => (
          <li key={one.sha256}>
            <Link href={`/models/${one.sha256}`}>{`${one.sha256.slice(0, 16)}…`}</Link>
            <span className="soft">
              {one.format}, {bytes(one.size_bytes)},{" "}
              {attested ? "attested" : "not attested yet"}
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Tracking({ tracked, total }: { tracked: readonly Tracked[]; total: number }) {
  const columns: Column<Tracked>[] = [
    {
      key: "name",
      title: "Tracked run",
      wide: true,
      cell: (row) => <Link href={`/runs/${row.run}`}>{row.name}</Link>,
    },
    { key: "state", title: "State", cell: (row) => <State of={row.state} /> },
    { key: "experiment", title: "Experiment", minor: true, cell: (row) => row.experiment },
    {
      key: "params",
      title: "Parameters",
      number: true,
      minor: true,
      cell: (row) => row.params.length,
    },
    { key: "metrics", title: "Metrics", number: true, cell: (row) => count(row.metrics) },
    {
      key: "started",
      title: "Started",
      cell: (row) => (row.started ? <Moment at={row.started} /> : null),
    },
  ];
  return (
    <>
      <h2>{`What its script tracked (${count(total)})`}</h2>
      <Table caption="Tracked runs" columns={columns} rows={tracked} id={(row) => row.run} />
      {total > tracked.length ? <p className="soft">{`The first ${tracked.length}.`}</p> : null}
    </>
  );
}

function Logged({ tracked }: { tracked: Tracked }) {
  return (
    <Grid>
      <Card title={`Parameters (${count(tracked.params.length)})`}>
        <Names of={tracked.params} none="It logged none." />
      </Card>
      <Card title={`Tags (${count(tracked.tags.length)})`}>
        <Names of={tracked.tags} none="It set none." />
      </Card>
    </Grid>
  );
}

/** Names and values; searched where there are many. */
function Names({ of, none }: { of: readonly Named[]; none: string }) {
  const [filter, setFilter] = useState("");
  const [all, setAll] = useState(false);
  if (of.length === 0) return <p className="soft">{none}</p>;
  const words = filter.toLowerCase();
  const found = of.filter((one) => `${one.name} ${one.value}`.toLowerCase().includes(words));
  const shown = all ? found : found.slice(0, MOST);
  return (
    <>
      {of.length > MOST ? <Filter label="Find" value={filter} onChange={setFilter} /> : null}
      <Facts
        of={shown.map((one) => [one.name, <span key={one.name}>{one.value}</span>] as const)}
      />
      {found.length > shown.length ? (
        <button type="button" className="link" onClick={() => setAll(true)}>
          {`Show ${count(found.length - shown.length)} more`}
        </button>
      ) : null}
    </>
  );
}

function Settings({ fenced }: { fenced: Fenced }) {
  return (
    <details className={style.settings}>
      <summary>What a replay puts back: seeds, threads, processor</summary>
      <Facts of={Object.entries(fenced.settings)} />
    </details>
  );
}
