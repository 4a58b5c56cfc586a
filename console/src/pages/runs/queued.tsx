import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { useAct } from "../../api/act";
import { get, send } from "../../api/client";
import { Button } from "../../parts/form";
import { Empty, Failure, Loading } from "../../parts/note";
import { Card, Facts } from "../../parts/page";
import { bytes, Moment, several } from "../../parts/say";
import { State } from "../../parts/state";
import { useLive } from "../../shell/live";
import style from "./run.module.css";

interface Job {
  run: string;
  state: string;
  over: boolean;
  person: string;
  cpus: number;
  memory_bytes: number;
  gpus: number;
  asked: string;
  waits: string | null;
  command: string | null;
}

/** A run that was asked for and has not begun: what it waits for. */
export function Queued({ run }: { run: string }) {
  const found = useQuery({
    queryKey: ["job", run],
    queryFn: ({ signal }) => get<Job>(`/jobs/${run}`, {}, signal),
    retry: false,
  });
  useLive(`run:${run}`, ["job", run]);
  useLive("queue", ["job", run]); // why it waits, is up to the others
  useLive(`run:${run}`, ["run", run]);
  const stop = useAct(() => send("POST", `/jobs/${run}/stop`, {}), ["job", "runs"]);
  if (found.isPending) return <Loading of="the job" />;
  if (found.isError || !found.data)
    return (
      <Empty title="No run of that id">
        <p>
          It may be of another project, or was purged. <Link href="/runs">All runs</Link>
        </p>
      </Empty>
    );
  const job = found.data;
  return (
    <Card title={job.over ? "It never began" : "It waits for its turn"}>
      {job.command ? <pre className={style.command}>{job.command}</pre> : null}
      <Facts
        of={[
          ["How it stands", <State key="state" of={job.state} />],
          ...(job.waits ? ([["Waits for", job.waits]] as const) : []),
          ["Asked for by", job.person],
          ["Asked", <Moment key="asked" at={job.asked} />],
          [
            "Wants",
            `${several(job.cpus, "processor")}, ${bytes(job.memory_bytes)}${job.gpus ? `, ${several(job.gpus, "GPU")}` : ""}`,
          ],
        ]}
      />
      {stop.isError ? <Failure error={stop.error} /> : null}
      {job.over ? null : (
        <div className={style.buttons}>
          <Button small plain danger busy={stop.isPending} onClick={() => stop.mutate()}>
            Take it back
          </Button>
        </div>
      )}
    </Card>
  );
}
