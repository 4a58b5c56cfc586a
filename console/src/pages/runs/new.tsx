import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Link, useLocation } from "wouter";
import { useAct } from "../../api/act";
import { get, type Listed, send } from "../../api/client";
import { Button, Check, Field, Input, Row, Select } from "../../parts/form";
import { Failure, Loading, Note } from "../../parts/note";
import { Card, Page } from "../../parts/page";
import { bytes, several } from "../../parts/say";

interface Part {
  total: number;
  free: number;
}

interface Queue {
  machine: { cpus: Part; memory_bytes: Part; gpus: Part };
  service: boolean;
  folders: string[];
}

interface Dataset {
  name: string;
  latest: { number: number; records: number; subjects: number } | null;
}

/** A run from a form: what to run, where, on which data, and how much of the machine. */
export default function NewRunPage() {
  const queue = useQuery({
    queryKey: ["queue", "machine"],
    queryFn: ({ signal }) => get<Queue>("/jobs", { ended: 0 }, signal),
  });
  return (
    <Page
      title="New run"
      kind={<Link href="/runs">Runs</Link>}
      about="It goes into the fence when its turn has come, as with cloister run."
    >
      {queue.isError ? (
        <Failure error={queue.error} again={() => void queue.refetch()} />
      ) : null}
      {queue.isPending ? <Loading of="what the machine has" /> : null}
      {queue.data ? <Form queue={queue.data} /> : null}
    </Page>
  );
}

function Form({ queue }: { queue: Queue }) {
  const [, go] = useLocation();
  const [data, setData] = useState<string[]>([]);
  const submit = useAct(
    (given: Record<string, unknown>) => send<{ run: string }>("POST", "/jobs", given),
    ["queue", "runs"],
  );
  if (queue.folders.length === 0)
    return (
      <Note>
        <p>
          Jobs from a browser run in folders of the machine that its service was given. Start it
          with <code>cloister up --folder FOLDER</code>.
        </p>
      </Note>
    );
  const ask = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const number = (name: string) => Number(form.get(name)) || undefined;
    submit.mutate(
      {
        command: form.get("command"),
        folder: form.get("folder"),
        data,
        cpus: number("cpus"),
        memory_mib: number("memory"),
        gpus: number("gpus"),
        priority: form.get("priority"),
      },
      { onSuccess: ({ run }) => go(`/runs/${run}`) },
    );
  };
  const { cpus, memory_bytes, gpus } = queue.machine;
  return (
    <form onSubmit={ask}>
      <Card title="What to run">
        <Field label="Command" hint="as you would type it in a shell, without the shell">
          <Input
            name="command"
            required
            placeholder="python train.py --data ./scans"
            autoFocus
          />
        </Field>
        <Field label="Folder" hint={`in, or below: ${queue.folders.join(", ")}`}>
          <Input name="folder" required defaultValue={queue.folders[0]} />
        </Field>
      </Card>
      <Data chosen={data} onChange={setData} />
      <Card title="How much of the machine">
        <Row>
          <Field label="Processors" hint={`${cpus.free} of ${cpus.total} are free now`}>
            <Input name="cpus" type="number" min={1} max={cpus.total} placeholder="its share" />
          </Field>
          <Field
            label="Memory, MiB"
            hint={`${bytes(memory_bytes.free)} of ${bytes(memory_bytes.total)} are free now`}
          >
            <Input name="memory" type="number" min={16} placeholder="its share" />
          </Field>
          {gpus.total ? (
            <Field label="GPUs" hint={`${gpus.free} of ${gpus.total} are free now`}>
              <Input name="gpus" type="number" min={0} max={gpus.total} defaultValue={0} />
            </Field>
          ) : null}
          <Field label="Priority">
            <Select name="priority" defaultValue="normal">
              <option value="low">Low: when nobody else wants it</option>
              <option value="normal">Normal</option>
              <option value="high">High: for administrators</option>
            </Select>
          </Field>
        </Row>
      </Card>
      {queue.service ? null : (
        <Note kind="warn">Nobody is up who would start it: it waits until somebody is.</Note>
      )}
      {submit.isError ? <Failure error={submit.error} /> : null}
      <Button type="submit" busy={submit.isPending}>
        Run it
      </Button>
    </form>
  );
}

function Data({ chosen, onChange }: { chosen: string[]; onChange: (data: string[]) => void }) {
  const found = useQuery({
    queryKey: ["data", "form"],
    queryFn: ({ signal }) => get<Listed<Dataset>>("/data", {}, signal),
  });
  const versions = (found.data?.items ?? []).flatMap((one) =>
    one.latest ? [{ name: `${one.name}@${one.latest.number}`, ...one.latest }] : [],
  );
  const toggle = (name: string) =>
    onChange(chosen.includes(name) ? chosen.filter((one) => one !== name) : [...chosen, name]);
  return (
    <Card title="On which data">
      <p className="soft">Whatever the command names, if you choose none.</p>
      {found.isError ? <Failure error={found.error} /> : null}
      {versions.map((one) => (
        <Check
          key={one.name}
          label={`${one.name}: ${several(one.subjects, "subject")}, ${several(one.records, "record")}`}
          checked={chosen.includes(one.name)}
          onChange={() => toggle(one.name)}
        />
      ))}
    </Card>
  );
}
