import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { get } from "../../api/client";
import { useMay } from "../../api/me";
import { Button } from "../../parts/form";
import { Failure, Loading } from "../../parts/note";
import { Card, Facts } from "../../parts/page";
import { count, Moment, several } from "../../parts/say";
import { State } from "../../parts/state";
import { Table } from "../../parts/table";
import { useCalmly } from "../runs/asking";
import { Log } from "../runs/log";
import { useBegin } from "./again";
import type { StepCall, StepPage, Why } from "./types";
import { took } from "./words";

interface Props {
  flow: string;
  step: string;
  running: boolean;
  onClose: () => void;
}

/** One step by itself: why it ran, each attempt, and what it printed. */
export function StepPart({ flow, step, running, onClose }: Props) {
  const { data, error, refetch } = useQuery({
    queryKey: ["flow", flow, "step", step],
    queryFn: ({ signal }) => get<StepPage>(`/flows/${flow}/step`, { step }, signal),
  });
  const may = useMay("run");
  const from = useBegin(`/flows/${flow}/again`);
  useCalmly(running ? "runs" : null, ["flow", flow, "step", step], 400);
  return (
    <Card
      title={step}
      beside={
        <span>
          {may && !running ? (
            <Button
              plain
              small
              busy={from.isPending}
              onClick={() => from.mutate({ from: [step] })}
            >
              Run again from here
            </Button>
          ) : null}{" "}
          <Button plain small onClick={onClose} aria-label={`Close ${step}`}>
            Close
          </Button>
        </span>
      }
    >
      {from.error ? <Failure error={from.error} /> : null}
      {error ? <Failure error={error} again={() => void refetch()} /> : null}
      {data ? <Told of={data} flow={flow} /> : error ? null : <Loading of="the step" />}
    </Card>
  );
}

function Told({ of, flow }: { of: StepPage; flow: string }) {
  const reads = useMay("read");
  const [log, setLog] = useState<string | null>(null);
  const last = of.calls[0];
  const shown = log ?? last?.run ?? null;
  const running = of.calls.find((one) => one.run === shown)?.state === "running";
  return (
    <>
      <Facts
        of={[
          ["Task", of.kind === "python" ? of.task : `${of.task} (${of.kind})`],
          ...(of.waits.length ? ([["Waits for", of.waits.join(", ")]] as const) : []),
          ...(of.datasets.length ? ([["Data", of.datasets.join(", ")]] as const) : []),
          ["Runs", asked(of)],
          ...(reads && of.calls.length
            ? ([["Why", <Because key="why" flow={flow} step={of.step} />]] as const)
            : []),
        ]}
      />
      {of.calls.length ? (
        <Calls of={of} shown={reads ? shown : null} onShow={setLog} />
      ) : (
        <p className="soft">No call of it was made.</p>
      )}
      {reads && shown ? (
        <>
          <h3>What it printed</h3>
          <Log key={shown} run={shown} running={running} />
        </>
      ) : null}
    </>
  );
}

function Because({ flow, step }: { flow: string; step: string }) {
  const { data, error } = useQuery({
    queryKey: ["flow", flow, "why", step],
    queryFn: ({ signal }) => get<Why>(`/flows/${flow}/why`, { step }, signal),
    retry: false,
  });
  if (error) return <span className="soft">{error.message}</span>;
  if (!data) return <span className="soft">…</span>;
  return <>{[data.verdict, ...data.changes].join("; ")}</>;
}

interface CallsProps {
  of: StepPage;
  shown: string | null;
  onShow: (run: string) => void;
}

function Calls({ of, shown, onShow }: CallsProps) {
  const parts = of.calls.some((one) => one.part !== null);
  const key = (one: StepCall) => `${one.run} ${one.part}`;
  const chosen = of.calls.filter((one) => one.run === shown).map(key)[0] ?? null;
  return (
    <>
      <Table
        caption={`Attempts of ${of.step}`}
        rows={of.calls}
        id={key}
        chosen={chosen}
        columns={[
          {
            key: "run",
            title: "Run",
            wide: true,
            cell: (one) => <Link href={`/runs/${one.run}`}>{one.run}</Link>,
          },
          ...(parts
            ? [{ key: "part", title: "Item", number: true, cell: (one: StepCall) => one.part }]
            : []),
          {
            key: "try",
            title: "Try",
            number: true,
            minor: true,
            cell: (one) => (one.state === "reused" ? "" : one.tried + 1),
          },
          { key: "state", title: "State", cell: (one) => <State of={one.state} /> },
          {
            key: "started",
            title: "Started",
            tight: true,
            minor: true,
            cell: (one) => (one.started ? <Moment at={one.started} /> : null),
          },
          {
            key: "took",
            title: "Took",
            minor: true,
            number: true,
            tight: true,
            cell: (one) => took(one.started, one.finished),
          },
          ...(shown === null
            ? []
            : [
                {
                  key: "log",
                  title: "",
                  tight: true,
                  cell: (one: StepCall) => (
                    <Button
                      plain
                      small
                      aria-pressed={one.run === shown}
                      aria-label={`Log of ${one.run}`}
                      onClick={() => onShow(one.run)}
                    >
                      Log
                    </Button>
                  ),
                },
              ]),
        ]}
      />
      {of.attempts > of.calls.length ? (
        <p className="soft">{`The newest of ${count(of.attempts)} attempts.`}</p>
      ) : null}
    </>
  );
}

function asked({ own_fence, settings: of }: StepPage): string {
  return [
    own_fence ? "in a fence of its own" : "in a warm process",
    of.cpu > 1 ? `on ${of.cpu} processors` : "",
    of.gpu ? `on ${several(of.gpu, "GPU")}` : "",
    of.memory === null ? "" : `with ${of.memory} MiB`,
    of.retries ? `tried again ${of.retries === 1 ? "once" : `${of.retries} times`}` : "",
    of.timeout === null ? "" : `at most ${of.timeout} s`,
    of.pool === null ? "" : `in the pool ${of.pool}`,
    of.cache === false ? "every time" : "",
    of.idempotent ? "" : "never repeated by itself",
    of.outlets.length ? `makes ${of.outlets.join(", ")} new` : "",
  ]
    .filter(Boolean)
    .join(", ");
}
