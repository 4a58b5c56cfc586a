import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState, useSyncExternalStore } from "react";
import { Link, useLocation, useSearch } from "wouter";
import { useAct } from "../../api/act";
import { get, Refusal, send } from "../../api/client";
import { useMay } from "../../api/me";
import { Button } from "../../parts/form";
import { Badge, Failure, Loading, Note } from "../../parts/note";
import { Bar, Facts, Line, Page } from "../../parts/page";
import { count, Id, Moment } from "../../parts/say";
import { State } from "../../parts/state";
import { Sure } from "../../parts/sure";
import { useCalmly } from "../runs/asking";
import { Again } from "./again";
import { reason } from "./pipeline";
import style from "./pipelines.module.css";
import { Result } from "./result";
import { StepPart } from "./step";
import { Steps } from "./steps";
import { Timeline } from "./timeline";
import type { FlowPage } from "./types";
import { took, Waits } from "./words";

const Drawing = lazy(() => import("./drawing"));
const VIEWS = [
  ["drawing", "Drawing"],
  ["time", "In time"],
  ["list", "List"],
] as const;

/** One run of a pipeline: its steps as a drawing, in time and as a list, and each by itself. */
export default function Flow({ params }: { params: Readonly<Record<string, string>> }) {
  const { flow = "" } = params;
  const waits = new URLSearchParams(useSearch()).has("asked");
  const { data, error, refetch } = useQuery({
    queryKey: ["flow", flow],
    queryFn: ({ signal }) => get<FlowPage>(`/flows/${encodeURIComponent(flow)}`, {}, signal),
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => (waits && state.error ? 1000 : false),
  });
  useCalmly(`flow:${flow}`, ["flow", flow], 400);
  const works = data?.line.state === "running" || data?.states.running; // its end comes later
  const topic = data?.line.waiting ? "pipelines" : works ? "runs" : null;
  useCalmly(topic, ["flow", flow], 400);
  return data ? (
    <Whole key={data.line.flow} of={data} error={error} />
  ) : (
    <Page title="Run of a pipeline" kind={<Link href="/pipelines">Pipelines</Link>}>
      {waits && error instanceof Refusal && error.status === 404 ? (
        <Note>
          It waits for its turn at the machine: see the <Link href="/queue">queue</Link>. If it
          cannot begin, nothing of it is on record.
        </Note>
      ) : error ? (
        <Failure error={error} again={() => void refetch()} />
      ) : (
        <Loading of="the run" lines={8} />
      )}
    </Page>
  );
}

function Whole({ of, error }: { of: FlowPage; error: unknown }) {
  const [location, go] = useLocation();
  const said = new URLSearchParams(useSearch());
  const narrow = useNarrow();
  const view = said.get("view") ?? (of.grouped ? "list" : "drawing");
  const chosen = said.get("step");
  const show = (name: string, value: string | null) => {
    if (value === null) said.delete(name);
    else said.set(name, value);
    go(`${location}?${said}`, { replace: true });
  };
  const pick = (title: string) => show("step", title === chosen ? null : title);
  const { line } = of;
  const reads = useMay("read");
  const [again, setAgain] = useState(false);
  return (
    <Page
      title={line.pipeline}
      kind={
        <>
          <Link href="/pipelines">Pipelines</Link> /{" "}
          <Link href={`/pipelines/${line.pipeline}`}>{line.pipeline}</Link>
        </>
      }
      about={
        <Line>
          <State of={line.state} />
          {line.waiting ? (
            <Waits of={line} />
          ) : (
            <>
              <Moment at={line.started} />
              <span>
                {line.finished
                  ? `took ${took(line.started, line.finished)}`
                  : `running for ${took(line.started, null)}`}
              </span>
            </>
          )}
          <span>{reason(line)}</span>
          <Id of={line.flow} short={24} />
        </Line>
      }
      actions={<Actions of={of} onAgain={() => setAgain(!again)} />}
    >
      {error ? <Failure error={error} /> : null}
      {again ? (
        <Again flow={line.flow} parameters={of.parameters} onClose={() => setAgain(false)} />
      ) : null}
      <Bar>
        {VIEWS.map(([name, words]) => (
          <Button
            key={name}
            plain
            small
            aria-pressed={view === name}
            onClick={() => show("view", name)}
          >
            {words}
          </Button>
        ))}
        <States of={of} />
      </Bar>
      {of.grouped && view !== "time" ? (
        <Note>{`${count(line.steps)} steps: each line stands for all steps of a task.`}</Note>
      ) : null}
      {view === "drawing" ? (
        <Suspense fallback={<Loading of="the drawing" />}>
          <Drawing of={of} chosen={chosen} onPick={pick} down={narrow} />
        </Suspense>
      ) : null}
      {view === "time" ? <Timeline of={of} /> : null}
      {view === "list" ? <Steps of={of} chosen={chosen} onPick={pick} /> : null}
      {chosen && !of.grouped ? (
        <StepPart
          flow={line.flow}
          step={chosen}
          running={line.state === "running"}
          onClose={() => show("step", null)}
        />
      ) : null}
      {reads
        ? of.pages.map((one) => <Result key={`${one.step} ${one.path}`} of={one} />)
        : null}
      {of.parameters.length ? (
        <>
          <h2>Parameters</h2>
          <Facts of={of.parameters.map((one) => [one.name, String(one.value)] as const)} />
        </>
      ) : null}
    </Page>
  );
}

function Actions({ of, onAgain }: { of: FlowPage; onAgain: () => void }) {
  const may = useMay("run");
  const { flow, pipeline, state } = of.line;
  const resume = useAct(() => send("POST", `/flows/${flow}/resume`, {}), ["flow"]);
  const stop = useAct(() => send("POST", `/flows/${flow}/stop`, {}), ["flow"]);
  const error = resume.error ?? stop.error;
  if (!may) return null;
  return (
    <>
      {error ? <Failure error={error} /> : null}
      {["failed", "interrupted", "stopped"].includes(state) ? (
        <Button busy={resume.isPending} onClick={() => resume.mutate()}>
          Go on with it
        </Button>
      ) : null}
      {state === "running" || state === "waiting" ? (
        <Sure
          label="Stop it"
          what={pipeline}
          busy={stop.isPending}
          onYes={() => stop.mutate()}
        />
      ) : (
        <Button plain onClick={onAgain}>
          Run it again
        </Button>
      )}
    </>
  );
}

const NARROW = matchMedia("(max-width: 720px)");

function useNarrow(): boolean {
  return useSyncExternalStore(
    (then) => {
      NARROW.addEventListener("change", then);
      return () => NARROW.removeEventListener("change", then);
    },
    () => NARROW.matches,
  );
}

function States({ of }: { of: FlowPage }) {
  return (
    <span className={style.states} role="status">
      {Object.entries(of.states).map(([state, steps]) => (
        <span key={state}>
          <Badge>{count(steps)}</Badge> {state}
        </span>
      ))}
    </span>
  );
}
