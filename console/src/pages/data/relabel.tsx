import { type FormEvent, useState } from "react";
import { Link } from "wouter";
import { useAct } from "../../api/act";
import { address, Refusal } from "../../api/client";
import { type Version, versionPath } from "../../api/data";
import { Button, Field, Input, Row } from "../../parts/form";
import { Failure, Note } from "../../parts/note";
import { several } from "../../parts/say";

interface Done {
  version: Version;
  labels: number;
  problems: Record<string, number>;
}
interface Given {
  file: File;
  issuer: string;
  column: string;
}

/** New labels for records that are there: the next version shows them. */
export function Relabel({ of }: { of: string }) {
  const [open, setOpen] = useState(false);
  const relabel = useAct((given: Given) => sent(of, given), ["data"]);
  if (!open) {
    return (
      <p>
        <Button plain onClick={() => setOpen(true)}>
          Label from a table…
        </Button>
      </p>
    );
  }
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const [issuer, column] = ["issuer", "column"].map((name) => String(form.get(name)).trim());
    relabel.mutate({
      file: form.get("table") as File,
      issuer: issuer ?? "",
      column: column ?? "",
    });
  };
  const done = relabel.data;
  return (
    <form onSubmit={submit}>
      {relabel.error ? <Failure error={relabel.error} /> : null}
      {done ? (
        <Note kind={done.labels ? "good" : "plain"}>
          {done.labels
            ? `${several(done.labels, "label is", "labels are")} new: `
            : "Nothing was new: "}
          <Link href={versionPath(done.version)}>
            {done.version.dataset}@{done.version.number}
          </Link>
          {Object.entries(done.problems).map(([code, number]) => (
            <p key={code}>
              {several(number, "line")} gave no label: {code}
            </p>
          ))}
        </Note>
      ) : null}
      <Row>
        <Field
          label="Table of labels"
          hint="What says something else than a label in force replaces it; both stay on record."
        >
          <Input type="file" name="table" accept=".csv,.tsv,text/csv" required />
        </Field>
        <Field
          label="Column of patients"
          hint="Left empty: a column of paths says which record."
        >
          <Input name="column" spellCheck={false} />
        </Field>
        <Field label="Who gave these ids">
          <Input name="issuer" defaultValue="local" required />
        </Field>
      </Row>
      <Button type="submit" busy={relabel.isPending}>
        Label
      </Button>{" "}
      <Button plain onClick={() => setOpen(false)}>
        Leave it
      </Button>
    </form>
  );
}

async function sent(dataset: string, { file, issuer, column }: Given): Promise<Done> {
  const where = address(`/data/${encodeURIComponent(dataset)}/labels`, { issuer, column });
  const headers = { "content-type": "text/csv" };
  const answer = await fetch(where, { method: "POST", headers, body: file });
  const told = await answer.json().catch(() => ({}));
  if (answer.ok) return told as Done;
  const { code, message, hint, prove } = told.error ?? {};
  throw new Refusal(
    answer.status,
    code ?? "",
    message ?? "that did not work",
    hint ?? null,
    prove ?? null,
  );
}
