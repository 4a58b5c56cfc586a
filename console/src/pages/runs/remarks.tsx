import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useAct } from "../../api/act";
import { get, Refusal, send } from "../../api/client";
import { useMay } from "../../api/me";
import { Area, Button } from "../../parts/form";
import { Failure, Note } from "../../parts/note";
import { Card } from "../../parts/page";
import { Moment } from "../../parts/say";
import { useLive } from "../../shell/live";
import style from "./run.module.css";
import type { Remark } from "./types";

/** What people write about a run: nobody writes over what they have not read. */
export function Remarks({ run }: { run: string }) {
  const reads = useMay("read");
  const writes = useMay("label");
  const where = `/runs/${run}/remarks`;
  const found = useQuery({
    queryKey: ["remarks", run],
    queryFn: ({ signal }) => get<{ items: Remark[] }>(where, {}, signal),
    enabled: reads,
  });
  useLive(reads ? `run:${run}` : null, ["remarks", run]);
  const [draft, setDraft] = useState<{ text: string; over: number | null } | null>(null);
  const save = useAct(
    (given: { text: string; over: number | null }) => send("POST", where, given),
    ["remarks"],
  );
  if (!reads) return null;
  const last = found.data?.items.at(-1) ?? null;
  const earlier = found.data?.items.slice(0, -1) ?? [];
  const place = last?.place ?? null;
  const other = draft !== null && draft.over !== place ? last : null;
  const begin = () => setDraft({ text: last?.text ?? "", over: place });
  const submit = () =>
    draft &&
    save.mutate(draft, {
      onSuccess: () => setDraft(null),
      onError: () => void found.refetch(),
    });
  const conflict = save.error instanceof Refusal && save.error.status === 409;
  return (
    <Card title="Remarks">
      {found.isError ? (
        <Failure error={found.error} again={() => void found.refetch()} />
      ) : null}
      {draft === null && last ? (
        <>
          <p className={style.remark}>
            {last.text ?? "Its key was destroyed; nobody can read it again."}
          </p>
          <p className="soft">
            {last.who}, <Moment at={last.time} />
          </p>
        </>
      ) : null}
      {draft === null && !last && found.data ? (
        <p className="soft">Nobody wrote anything yet.</p>
      ) : null}
      {other ? (
        <Note kind="warn">
          <b>{other.who}</b> wrote while you did:{" "}
          <span className={style.remark}>{other.text}</span>
          <div className={style.buttons}>
            <Button
              small
              plain
              onClick={() => setDraft({ text: draft?.text ?? "", over: place })}
            >
              Keep mine over it
            </Button>
            <Button
              small
              plain
              onClick={() =>
                setDraft({ text: `${other.text ?? ""}\n\n${draft?.text ?? ""}`, over: place })
              }
            >
              Put both together
            </Button>
            <Button small plain onClick={() => setDraft(null)}>
              Drop mine
            </Button>
          </div>
        </Note>
      ) : null}
      {save.isError && !conflict ? <Failure error={save.error} /> : null}
      {draft !== null ? (
        <>
          <Area
            aria-label="Remark"
            rows={4}
            maxLength={20000}
            value={draft.text}
            onChange={(event) => setDraft({ ...draft, text: event.target.value })}
            autoFocus
          />
          <div className={style.buttons}>
            <Button onClick={submit} busy={save.isPending} disabled={other !== null}>
              Save
            </Button>
            <Button plain onClick={() => setDraft(null)}>
              Cancel
            </Button>
            <span className="soft">
              Sealed under the run's key; every text before stays on record.
            </span>
          </div>
        </>
      ) : writes && found.data ? (
        <Button small plain onClick={begin}>
          {last ? "Change" : "Write"}
        </Button>
      ) : null}
      {draft === null && earlier.length ? (
        <details className={style.settings}>
          <summary>
            {earlier.length === 1 ? "One earlier text" : `${earlier.length} earlier texts`}
          </summary>
          {[...earlier].reverse().map((one) => (
            <div key={one.place}>
              <p className={style.remark}>{one.text ?? "Its key was destroyed."}</p>
              <p className="soft">
                {one.who}, <Moment at={one.time} />
              </p>
            </div>
          ))}
        </details>
      ) : null}
    </Card>
  );
}
