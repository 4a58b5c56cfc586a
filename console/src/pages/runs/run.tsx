import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { Link, useSearch } from "wouter";
import { useAct } from "../../api/act";
import { get, Refusal, send } from "../../api/client";
import { useMay } from "../../api/me";
import { Button, To } from "../../parts/form";
import { Failure, Loading } from "../../parts/note";
import { Line, Page } from "../../parts/page";
import { Id, Moment } from "../../parts/say";
import { State } from "../../parts/state";
import { About } from "./about";
import { useCalmly } from "./asking";
import { Curves } from "./curves";
import { Files } from "./files";
import { Log } from "./log";
import { Queued } from "./queued";
import style from "./run.module.css";
import type { OneRun } from "./types";
import { Fence, lasted, Standing } from "./words";

const TABS = [
  ["about", "About"],
  ["curves", "Curves"],
  ["files", "Files"],
  ["log", "Log"],
] as const;

/** One run: what the fence tells of it and what its script tracked, on one page. */
export default function RunPage({ params }: { params: { run: string } }) {
  const found = useQuery({
    queryKey: ["run", params.run],
    queryFn: ({ signal }) => get<OneRun>(`/runs/${encodeURIComponent(params.run)}`, {}, signal),
    placeholderData: keepPreviousData,
    retry: (times, error) => !(error instanceof Refusal && error.status === 404) && times < 2,
  });
  const one = found.data;
  useCalmly(one?.fenced ? `run:${one.fenced.run}` : null, ["run", params.run]);
  useCalmly(one?.tracked[0] ? `run:${one.tracked[0].run}` : null, ["run", params.run]);
  if (one === undefined) {
    return (
      <Page title="Run" kind={<Link href="/runs">Runs</Link>}>
        {found.isError ? (
          <NotThere error={found.error} run={params.run} />
        ) : (
          <Loading of="the run" lines={10} />
        )}
      </Page>
    );
  }
  return <Whole one={one} error={found.isError ? found.error : null} />;
}

function NotThere({ error, run }: { error: unknown; run: string }) {
  if (error instanceof Refusal && error.status === 404) return <Queued run={run} />;
  return <Failure error={error} />;
}

function Whole({ one, error }: { one: OneRun; error: unknown }) {
  const said = new URLSearchParams(useSearch());
  const reads = useMay("read");
  const tab = said.get("tab") ?? "about";
  const tracked = one.tracked[0];
  const single = one.tracked.length === 1 ? tracked : undefined;
  const title = single?.name || one.fenced?.run || tracked?.name || one.run;
  const state = one.fenced?.state ?? tracked?.state ?? "";
  const started = one.fenced?.started ?? tracked?.started ?? null;
  const ended = one.fenced ? one.fenced.ended : (tracked?.ended ?? null);
  const shown = useMemo(
    () =>
      one.tracked.map((each) => ({ run: each.run, label: each.name || each.run.slice(0, 8) })),
    [one.tracked],
  );
  const verdict = one.fenced?.verdicts.at(-1);
  const standing = verdict
    ? verdict.verdict + (verdict.cause ? `, ${verdict.cause}` : "")
    : (one.fenced?.origin?.how ?? null);
  return (
    <Page
      title={title}
      kind={
        <>
          <Link href="/runs">Runs</Link> /{" "}
          {single ? single.experiment : one.fenced ? "in the fence" : "run"}
        </>
      }
      about={
        <Line>
          <State of={state} />
          <Fence level={one.fenced?.fence?.level ?? null} there={one.fenced !== null} />
          <Standing of={standing} />
          {started ? <Moment at={started} /> : null}
          <span>
            {state === "running"
              ? `running for ${lasted(started, null)}`
              : `took ${lasted(started, ended)}`}
          </span>
          {one.fenced ? <span>by {one.fenced.who}</span> : null}
          <Id of={one.fenced?.run ?? one.run} short={24} />
        </Line>
      }
      actions={<Actions one={one} />}
    >
      {error ? <Failure error={error} /> : null}
      <nav className={style.tabs} aria-label="Parts of the run">
        {TABS.filter(([name]) => name !== "log" || (one.fenced !== null && reads)).map(
          ([name, words]) => (
            <Link
              key={name}
              href={`?tab=${name}`}
              aria-current={tab === name ? "page" : undefined}
              replace
            >
              {words}
            </Link>
          ),
        )}
      </nav>
      {tab === "about" ? <About one={one} /> : null}
      {tab === "curves" ? <Curves runs={shown} /> : null}
      {tab === "files" ? <Files run={one.run} live={state === "running"} /> : null}
      {tab === "log" && one.fenced ? (
        <Log run={one.fenced.run} running={one.fenced.ended === null} />
      ) : null}
    </Page>
  );
}

function Actions({ one }: { one: OneRun }) {
  const fenced = one.fenced;
  const runs = useMay("run");
  const stop = useAct(() => send("POST", `/jobs/${fenced?.run}/stop`, {}), ["run", "runs"]);
  return (
    <>
      {fenced && fenced.ended === null && runs ? (
        <Button plain danger busy={stop.isPending} onClick={() => stop.mutate()}>
          Stop
        </Button>
      ) : null}
      {fenced ? (
        <To plain href={`/lineage/run/${fenced.run}`}>
          Lineage
        </To>
      ) : null}
      {fenced?.origin ? (
        <To plain href={`/compare?runs=${fenced.origin.origin},${fenced.run}`}>
          Compare with its origin
        </To>
      ) : null}
    </>
  );
}
