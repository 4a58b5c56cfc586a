import { useQuery } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { Link } from "wouter";
import { get } from "../../api/client";
import { Button, Field, Input } from "../../parts/form";
import { Failure, Loading, Note } from "../../parts/note";
import { Card, Page } from "../../parts/page";
import { useBegin } from "./again";

/** A pipeline from a file that lies on the machine. */
export default function NewFlow() {
  const queue = useQuery({
    queryKey: ["queue", "folders"],
    queryFn: ({ signal }) => get<{ folders: string[] }>("/jobs", { ended: 0 }, signal),
  });
  return (
    <Page
      title="Run a pipeline"
      kind={<Link href="/pipelines">Pipelines</Link>}
      about="Its file is read in the fence; what was computed before is used again."
    >
      {queue.isError ? <Failure error={queue.error} /> : null}
      {queue.data ? <Form folders={queue.data.folders} /> : <Loading of="the folders" />}
    </Page>
  );
}

function Form({ folders }: { folders: readonly string[] }) {
  const begin = useBegin("/flows");
  if (folders.length === 0)
    return (
      <Note>
        <p>
          Pipelines run in folders of the machine that its service was given. Start it with{" "}
          <code>cloister up --folder FOLDER</code>.
        </p>
      </Note>
    );
  const ask = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    begin.mutate(Object.fromEntries(form));
  };
  return (
    <form onSubmit={ask}>
      <Card>
        <Field label="Folder" hint={`in, or below: ${folders.join(", ")}`}>
          <Input name="folder" required defaultValue={folders[0]} />
        </Field>
        <Field label="File" hint="in that folder">
          <Input name="file" required placeholder="flow.py" autoFocus />
        </Field>
        <Field label="Pipeline" hint="its name, where the file defines several">
          <Input name="pipeline" maxLength={64} />
        </Field>
      </Card>
      {begin.isError ? <Failure error={begin.error} /> : null}
      <Button type="submit" busy={begin.isPending}>
        Run it
      </Button>
    </form>
  );
}
