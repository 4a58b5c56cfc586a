import { useQuery } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { Link, useLocation } from "wouter";
import { useAct } from "../../api/act";
import { get, send } from "../../api/client";
import { Button } from "../../parts/form";
import { Failure, Loading, Note } from "../../parts/note";
import { Card, Page } from "../../parts/page";
import { bytes, count } from "../../parts/say";
import { useLive } from "../../shell/live";
import { remember, start, useChoice } from "./choice";
import { Files, Whose } from "./choosing";
import { Lacking, type Sending, sendingOf } from "./sending";

interface Standing {
  upload: string;
  name: string;
  state: "open" | "adding" | "added" | "withdrawn" | "expired";
  stage: string | null;
  done: number;
  total: number;
  problem: string | null;
  hint: string | null;
  number: number | null;
}

/** An upload on its way, or one to go on with. */
export function Going({ upload }: { upload: string }) {
  const sending = sendingOf(upload);
  const { data, error, refetch } = useQuery({
    queryKey: ["uploads", upload],
    queryFn: () => get<Standing>(`/uploads/${upload}`),
    refetchInterval: (query) => (query.state.data?.state === "adding" ? 500 : 5_000),
  });
  useLive("data", ["uploads", upload]);
  if (error && !data) {
    return (
      <Page title="Upload" kind="Upload">
        <Failure error={error} again={() => void refetch()} />
      </Page>
    );
  }
  if (!data) {
    return (
      <Page title="Upload" kind="Upload">
        <Loading of="the upload" />
      </Page>
    );
  }
  return (
    <Page title={data.name} kind="Upload">
      <State of={data} sending={sending} />
    </Page>
  );
}

function State({ of, sending }: { of: Standing; sending: Sending | null }) {
  if (of.state === "added") {
    return (
      <Note kind="good">
        It is added:{" "}
        <Link href={`/data/${of.name}/${of.number ?? "latest"}`}>
          {of.name}@{of.number}
        </Link>
      </Note>
    );
  }
  if (of.state === "adding") return <Adding of={of} />;
  if (of.state !== "open") {
    return (
      <Note kind="warn">
        {of.state === "expired"
          ? "Nobody sent more of it for a week: what had come was removed."
          : "It was thrown away."}{" "}
        <Link href="/data/add">Begin again</Link>
      </Note>
    );
  }
  return sending ? <Moving sending={sending} of={of} /> : <GoOn of={of} problem={null} />;
}

function Adding({ of }: { of: Standing }) {
  const stage = of.stage ?? "waiting";
  return (
    <Card title="All files are here; they are being added">
      <progress aria-label={stage} {...(of.total ? { value: of.done, max: of.total } : {})} />
      <p role="status">
        {stage}
        {of.total ? ` ${count(of.done)} of ${count(of.total)}` : "…"}
      </p>
      {of.problem ? <Note kind="warn">{of.problem}</Note> : null}
      <p className="soft">This goes on by itself: the page can be closed.</p>
    </Card>
  );
}

function Moving({ sending, of }: { sending: Sending; of: Standing }) {
  const now = useSyncExternalStore(sending.subscribe, sending.snapshot);
  if (now.state === "failed" || (now.state === "sent" && of.problem)) {
    return <GoOn of={of} problem={now.problem} />;
  }
  return (
    <Card title={now.state === "waiting" ? "The service is away: waiting for it" : "Sending"}>
      <progress value={now.sent} max={Math.max(1, now.total)} aria-label="sent" />
      <p role="status" className="number">
        {bytes(now.sent)} of {bytes(now.total)}, {count(now.done)} of {count(now.files)} files
      </p>
      <p className="soft">
        Keep this window open; other pages can be looked at meanwhile. If it closes, come back
        and choose the same files: what arrived stays.
      </p>
    </Card>
  );
}

/** To go on: the same files once more, and what was wrong said otherwise. */
function GoOn({ of, problem }: { of: Standing; problem: Error | null }) {
  const choice = useChoice(of.upload);
  const [, go] = useLocation();
  const withdraw = useAct(() => send("DELETE", `/uploads/${of.upload}`), ["uploads"]);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        remember(of.upload, choice);
        start(of.upload, choice);
        go(`/data/add?upload=${of.upload}&again`, { replace: true });
      }}
    >
      {of.problem ? (
        <Note kind="bad">
          <p>It could not be added: {of.problem}.</p>
          {of.hint ? <p className="soft">{of.hint}</p> : null}
        </Note>
      ) : null}
      {problem instanceof Lacking ? (
        <Note kind="warn">
          <p>
            {problem.message}. Choose the folder that it began with. They are, among others:
          </p>
          <ul>
            {problem.paths.slice(0, 5).map((path) => (
              <li key={path}>{path}</li>
            ))}
          </ul>
        </Note>
      ) : problem ? (
        <Failure error={problem} />
      ) : of.problem ? null : (
        <Note>
          Not all of its files are here yet. Choose the same files again: only what is missing
          is sent.
        </Note>
      )}
      {withdraw.error ? <Failure error={withdraw.error} /> : null}
      <Card title="1. The same files">
        <Files choice={choice} />
        {choice.chosen.length ? (
          <p className="soft">Chosen: {count(choice.chosen.length)}</p>
        ) : null}
      </Card>
      <Whose choice={choice} />
      <p>
        <Button type="submit" disabled={choice.chosen.length === 0}>
          Go on
        </Button>{" "}
        <Button
          plain
          busy={withdraw.isPending}
          onClick={() => withdraw.mutate(undefined, { onSuccess: () => go("/data") })}
        >
          Throw it away
        </Button>
      </p>
    </form>
  );
}
