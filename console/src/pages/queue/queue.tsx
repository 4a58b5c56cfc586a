import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { useAct } from "../../api/act";
import { get, send } from "../../api/client";
import { useMay } from "../../api/me";
import { Dialog } from "../../parts/dialog";
import { Button } from "../../parts/form";
import { Badge, Empty, Failure, Loading, Note, type Tone } from "../../parts/note";
import { Card, Page } from "../../parts/page";
import { bytes, count, Moment, several } from "../../parts/say";
import { type Column, Table } from "../../parts/table";
import { useLive } from "../../shell/live";
import style from "./queue.module.css";
import type { Job, Part, Queue } from "./types";

const TONES: Record<string, Tone> = {
  running: "good",
  finished: "good",
  stopping: "warn",
  stopped: "warn",
  interrupted: "bad",
  failed: "bad",
  refused: "bad",
};

/** Who has what of the machine, who waits for what, and why. */
export default function QueuePage() {
  const { data, error, refetch } = useQuery({
    queryKey: ["queue"],
    queryFn: () => get<Queue>("/jobs", { ended: 10 }),
    refetchInterval: 5000,
  });
  useLive("queue", ["queue"]);
  const jobs = data?.items ?? [];
  const running = jobs.filter((job) => job.begun && !job.over);
  const waiting = jobs.filter((job) => !job.begun && !job.over);
  const ended = jobs.filter((job) => job.over);
  return (
    <Page
      title="Queue"
      about="One machine for everybody: who has had the least of it goes first."
    >
      {error ? <Failure error={error} again={() => void refetch()} /> : null}
      {data ? null : error ? null : <Loading of="the queue" />}
      {data ? (
        <>
          <Machine of={data} />
          {data.service ? null : (
            <Note kind="warn">
              Nobody is up who would start what waits: <code>cloister up</code>.
            </Note>
          )}
          {data.hidden ? (
            <Note>{count(data.hidden)} more of projects that are not yours.</Note>
          ) : null}
          <h2>Running</h2>
          {running.length ? (
            <Jobs caption="Running jobs" of={running} when="started" />
          ) : (
            <Empty title="Nothing runs">
              <p>
                <code>cloister run -- python train.py</code> asks for a run.
              </p>
            </Empty>
          )}
          <h2>Waiting</h2>
          {waiting.length ? (
            <Jobs
              caption="Waiting jobs, in the order of their turns"
              of={waiting}
              when="asked"
            />
          ) : (
            <Empty title="Nothing waits" />
          )}
          {ended.length ? (
            <>
              <h2>Ended last</h2>
              <Jobs caption="Jobs that ended last" of={ended} when="ended" />
            </>
          ) : null}
          <Shares of={data.shares} />
        </>
      ) : null}
    </Page>
  );
}

function Machine({ of: { machine } }: { of: Queue }) {
  const figures = machine.figures;
  const busy = figures["system/cpu_utilization_percentage"];
  const memory = figures["system/system_memory_usage_percentage"];
  return (
    <Card title="The machine now">
      <div className={style.meters}>
        <Meter
          label="Processors lent"
          part={machine.cpus}
          say={count}
          used={busy === undefined ? "" : `${Math.round(busy)} % busy, load ${machine.load}`}
        />
        <Meter
          label="Memory lent"
          part={machine.memory_bytes}
          say={bytes}
          used={memory === undefined ? "" : `${Math.round(memory)} % in use`}
        />
        {machine.gpus.total ? (
          <Meter label="GPUs lent" part={machine.gpus} say={count} used={gpus(figures)} />
        ) : (
          <div className={style.meter}>
            <p className={style.label}>GPUs</p>
            <p className={style.used}>None is seen on this machine.</p>
          </div>
        )}
      </div>
    </Card>
  );
}

interface MeterProps {
  label: string;
  part: Part;
  say: (amount: number) => string;
  used: string;
}

function Meter({ label, part, say, used }: MeterProps) {
  const lent = Math.max(0, part.total - part.free);
  return (
    <div className={style.meter}>
      <p className={style.label}>
        <span>{label}</span>
        <span>
          {say(lent)} of {say(part.total)}
        </span>
      </p>
      <progress aria-label={label} value={lent} max={part.total} />
      {used ? <p className={style.used}>{used}</p> : null}
    </div>
  );
}

function gpus(figures: Record<string, number>): string {
  return Object.entries(figures)
    .filter(([name]) => /gpu_\d+_utilization/.test(name))
    .map(([name, use]) => `${name.match(/\d+/)?.[0]}: ${Math.round(use)} %`)
    .join(", ");
}

function Jobs({
  caption,
  of,
  when,
}: {
  caption: string;
  of: readonly Job[];
  when: "asked" | "started" | "ended";
}) {
  const may = useMay("run");
  const admin = useMay("administer");
  const [stopping, setStopping] = useState<Job | null>(null);
  const columns: Column<Job>[] = [
    {
      key: "run",
      title: "Run",
      wide: true,
      cell: (job) => (
        <span className={style.run}>
          {job.begun ? <Link href={`/runs/${job.run}`}>{job.run}</Link> : job.run}
          {job.command ? <span className={style.command}>{job.command}</span> : null}
        </span>
      ),
    },
    {
      key: "state",
      title: when === "asked" ? "Waits because" : "State",
      cell: (job) =>
        when === "asked" ? (
          <span className={style.why}>{job.waits ?? "its turn comes"}</span>
        ) : (
          <Badge kind={TONES[job.state] ?? "plain"}>{job.state}</Badge>
        ),
    },
    {
      key: "person",
      title: "Who",
      minor: true,
      cell: (job) => (job.mine ? "you" : job.person),
    },
    {
      key: "asks",
      title: "Asks for",
      tight: true,
      minor: true,
      cell: (job) => asks(job),
    },
    {
      key: "priority",
      title: "Priority",
      minor: true,
      cell: (job) => job.priority,
    },
    {
      key: "since",
      title: when === "ended" ? "Ended" : "Since",
      tight: true,
      minor: true,
      cell: (job) => <Moment at={job[when]} />,
    },
  ];
  const own = (job: Job) => may && (job.mine || admin) && job.state !== "stopping";
  if (when !== "ended" && of.some(own)) {
    columns.push({
      key: "do",
      title: "",
      tight: true,
      cell: (job) =>
        own(job) ? (
          <Button
            plain
            small
            aria-label={`${job.begun ? "Stop" : "Take back"} ${job.run}`}
            onClick={() => setStopping(job)}
          >
            {job.begun ? "Stop" : "Take back"}
          </Button>
        ) : null,
    });
  }
  return (
    <>
      <Table caption={caption} rows={of} id={(job) => job.run} columns={columns} />
      {stopping ? <Stop job={stopping} onClose={() => setStopping(null)} /> : null}
    </>
  );
}

function Stop({ job, onClose }: { job: Job; onClose: () => void }) {
  const stop = useAct(() => send("POST", `/jobs/${job.run}/stop`, {}), ["queue"]);
  return (
    <Dialog title={job.begun ? "Stop this job?" : "Take this job back?"} onClose={onClose}>
      <p>
        <code>{job.run}</code>
        {job.mine ? "" : ` of ${job.person}`}
      </p>
      <p>
        {job.begun
          ? "It is asked to end; ten seconds later everything that it started is killed. What it has written until then is sealed."
          : "It leaves the queue and never begins."}
      </p>
      {stop.error ? <Failure error={stop.error} /> : null}
      <p className={style.end}>
        <Button plain onClick={onClose}>
          Leave it
        </Button>
        <Button
          danger
          busy={stop.isPending}
          onClick={() => stop.mutate(undefined, { onSuccess: onClose })}
        >
          {job.begun ? "Stop it" : "Take it back"}
        </Button>
      </p>
    </Dialog>
  );
}

function Shares({ of }: { of: Record<string, number> }) {
  const people = Object.entries(of).sort(([, one], [, other]) => other - one);
  if (people.length < 2) return null;
  return (
    <>
      <h2>Who had how much</h2>
      <Table
        caption="Shares of the machine"
        rows={people}
        id={([who]) => who}
        columns={[
          { key: "who", title: "Who", wide: true, cell: ([who]) => who },
          {
            key: "share",
            title: "Of the machine, now and lately",
            number: true,
            cell: ([, share]) => `${(share * 100).toFixed(1)} %`,
          },
        ]}
      />
    </>
  );
}

function asks(job: Job): string {
  if (job.on) return `on ${job.on}`;
  const said = [several(job.cpus, "cpu"), bytes(job.memory_bytes)];
  if (job.gpus) {
    const which = job.leased_gpus.length ? ` (${job.leased_gpus.join(", ")})` : "";
    said.push(`${several(job.gpus, "gpu")}${which}`);
  }
  return said.join(", ");
}
