import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { usePresent } from "../../api/act";
import { address, Refusal } from "../../api/client";
import { Button } from "../../parts/form";
import { Failure, Loading, Note } from "../../parts/note";
import { bytes, count } from "../../parts/say";
import { Cells } from "../../parts/table";
import { cells } from "./csv";
import style from "./run.module.css";
import type { FileLine } from "./types";

const MOST = 128 << 10;
const ROWS = 200;
const COLUMNS = 40;

const IMAGE = /\.(png|jpe?g|gif|webp)$/i;

/** The beginning of a file as text, a table, or JSON; an image whole. Nothing in it runs. */
export function Preview({
  run,
  file,
  onClose,
}: {
  run: string;
  file: FileLine;
  onClose: () => void;
}) {
  const image = IMAGE.test(file.path ?? "");
  return (
    <section className={style.preview} aria-label={`Preview of ${file.path}`}>
      <header>
        <h2>{file.path}</h2>
        <Save run={run} file={file} />
        <Button small plain onClick={onClose} aria-label="Close the preview">
          Close
        </Button>
      </header>
      {image ? <Picture run={run} file={file} /> : <Text run={run} file={file} />}
    </section>
  );
}

function Picture({ run, file }: { run: string; file: FileLine }) {
  const [broken, setBroken] = useState(false);
  if (broken)
    return (
      <Note kind="warn">
        It cannot be shown: it is no image, is too large, or its key is gone.
      </Note>
    );
  return (
    <img
      className={style.picture}
      alt={file.path ?? ""}
      src={address(`/runs/${run}/file`, { ref: file.ref })}
      onError={() => setBroken(true)}
    />
  );
}

function Text({ run, file }: { run: string; file: FileLine }) {
  const found = useQuery({
    queryKey: ["file", run, file.ref],
    queryFn: ({ signal }) =>
      read(address(`/runs/${run}/file`, { ref: file.ref, most: MOST }), signal),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 30_000,
    retry: false,
  });
  if (found.isError) return <Failure error={found.error} />;
  if (found.isPending) return <Loading of="the file" />;
  return (
    <>
      <Content file={file} text={found.data} />
      {file.size_bytes > MOST ? (
        <p className="soft">{`The first ${bytes(MOST)} of ${bytes(file.size_bytes)}.`}</p>
      ) : null}
    </>
  );
}

async function read(where: string, signal: AbortSignal): Promise<string> {
  const answer = await fetch(where, { signal });
  if (!answer.ok) throw await refused(answer);
  const image = (answer.headers.get("content-type") ?? "").startsWith("image/");
  return image ? "\u0000" : answer.text();
}

async function refused(answer: Response): Promise<Refusal> {
  type Told = { code?: string; message?: string; hint?: string; prove?: string };
  const told = (await answer.json().catch(() => ({}))) as { error?: Told };
  const { code, message, hint, prove } = told.error ?? {};
  return new Refusal(
    answer.status,
    code ?? "",
    message ?? "it cannot be shown",
    hint ?? null,
    prove ?? null,
  );
}

function Content({ file, text }: { file: FileLine; text: string }) {
  const name = (file.path ?? "").toLowerCase();
  if (text.includes("\u0000") || text.includes("\ufffd\ufffd"))
    return <Note>These bytes are no text: save the file to look at it.</Note>;
  if (/\.(csv|tsv)$/.test(name))
    return <Separated text={text} separator={name.endsWith("tsv") ? "\t" : ","} />;
  return <pre className={style.text}>{name.endsWith(".json") ? pretty(text) : text}</pre>;
}

function Separated({ text, separator }: { text: string; separator: string }) {
  const rows = cells(text, separator, ROWS + 1);
  const [head, ...body] = rows;
  if (!head) return <p className="soft">It is empty.</p>;
  return (
    <>
      <Cells
        label="Rows of the table"
        head={head.slice(0, COLUMNS)}
        rows={body.map((row) => row.slice(0, COLUMNS))}
      />
      {head.length > COLUMNS ? (
        <p className="soft">{`${COLUMNS} of ${count(head.length)} columns`}</p>
      ) : null}
    </>
  );
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text; // its beginning alone, or no JSON
  }
}

/** Taking a file out of the lab: what a fence kept in needs whoever asks in person. */
function Save({ run, file }: { run: string; file: FileLine }) {
  const present = usePresent();
  const [error, setError] = useState<unknown>(null);
  const where = address(`/runs/${run}/file/whole`, { ref: file.ref });
  const save = async () => {
    setError(null);
    try {
      const content = await present(async () => {
        const answer = await fetch(where);
        if (!answer.ok) throw await refused(answer);
        return answer.blob();
      });
      const link = document.createElement("a");
      link.href = URL.createObjectURL(content);
      link.download = (file.path ?? file.kind).split("/").at(-1) as string;
      link.click();
      window.setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    } catch (failure) {
      setError(failure);
    }
  };
  return (
    <>
      <Button small plain onClick={() => void save()}>
        Save
      </Button>
      {error ? <Failure error={error} /> : null}
    </>
  );
}
