import { useQuery } from "@tanstack/react-query";
import { type ChangeEvent, useEffect, useState, useSyncExternalStore } from "react";
import { Link, useLocation, useSearch } from "wouter";
import { useAct } from "../../api/act";
import { get, send } from "../../api/client";
import { Button, Field, Input } from "../../parts/form";
import { Failure, Loading, Note } from "../../parts/note";
import { Card, Page } from "../../parts/page";
import { bytes, count } from "../../parts/say";
import { useLive } from "../../shell/live";
import style from "./data.module.css";
import { columnsOf, divided, guess, pathsOf, tablesOf, type Way } from "./rules";
import { type Chosen, Lacking, type Sending, sendingOf, startSending } from "./sending";

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
interface Rules {
  issuer: string;
  way: Way;
  column: string;
  pattern: string;
  labels: string;
}
/** How each upload of this window is to be read, once all of it is there. */
const asked = new Map<string, Rules & { inside: boolean }>();

/** Data through the browser: choose, say whose they are, send; sealed as they come. */
export default function Add() {
  const said = new URLSearchParams(useSearch());
  const upload = said.get("upload");
  return upload ? <Going upload={upload} /> : <Begin name={said.get("name") ?? ""} />;
}

function Begin({ name: given }: { name: string }) {
  const [name, setName] = useState(given);
  const [, go] = useLocation();
  const begin = useAct(
    (to: string) => send<{ upload: string }>("POST", "/uploads", { name: to }),
    ["uploads"],
  );
  const choice = useChoice();
  const ready = name.trim() !== "" && choice.chosen.length > 0;
  return (
    <Page
      title={given ? `Add to ${given}` : "Add data"}
      about="Each piece is sealed as it arrives. If the connection breaks or the tab is closed, it goes on where it was."
    >
      {begin.error ? <Failure error={begin.error} /> : null}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          begin.mutate(name.trim(), {
            onSuccess: ({ upload }) => {
              remember(upload, choice);
              start(upload, choice);
              go(`/data/add?upload=${upload}`);
            },
          });
        }}
      >
        <Card title="1. Which files">
          <Field
            label="Dataset"
            hint="A letter, then letters, digits, '-', '_' or '.'. Names are not sealed: no patient's name here."
          >
            <Input
              value={name}
              onChange={(event) => setName(event.target.value)}
              required
              pattern="[A-Za-z][A-Za-z0-9._\-]*"
              maxLength={64}
              readOnly={given !== ""}
              placeholder="chest-ward3"
            />
          </Field>
          <Files choice={choice} />
        </Card>
        <Whose choice={choice} />
        <p>
          <Button type="submit" busy={begin.isPending} disabled={!ready}>
            Send and add
          </Button>{" "}
          <span className="soft">
            {choice.chosen.length
              ? `${count(choice.chosen.length)} files, ${bytes(choice.size)}`
              : "choose a folder or files first"}
          </span>
        </p>
      </form>
    </Page>
  );
}

interface Choice {
  chosen: Chosen[];
  labels: Chosen | null;
  rules: Rules;
  size: number;
  choose: (files: FileList | null) => void;
  chooseLabels: (files: FileList | null) => void;
  change: (rules: Partial<Rules>) => void;
}

const FIRST: Rules = {
  issuer: "local",
  way: "pattern",
  column: "",
  pattern: "^([^/]+)/",
  labels: "",
};
const BESIDE = "labels/";

/** What is chosen in a form; of an upload that goes on, what was chosen before. */
function useChoice(upload = ""): Choice {
  const before = asked.get(upload);
  const all = sendingOf(upload)?.chosen ?? [];
  const beside = before && !before.inside ? before.labels : "";
  const [chosen, setChosen] = useState(() => all.filter((one) => one.path !== beside));
  const [labels, setLabels] = useState<Chosen | null>(
    () => (beside && all.find((one) => one.path === beside)) || null,
  );
  const [rules, setRules] = useState<Rules>(before ? { ...before, labels: "" } : FIRST);
  return {
    chosen,
    labels,
    rules,
    size: chosen.reduce((sum, one) => sum + one.file.size, labels?.file.size ?? 0),
    choose: (files) => {
      const found = files ? pathsOf(files) : [];
      setChosen(found);
      const first = guess(found);
      setRules((before) => ({ ...before, ...first, labels: "" }));
    },
    chooseLabels: (files) => {
      const file = files?.[0];
      setLabels(file ? { path: `${BESIDE}${file.name}`, file } : null);
      setRules((before) => ({ ...before, labels: "" }));
    },
    change: (change) => setRules((before) => ({ ...before, ...change })),
  };
}

/** All that is sent: the data, and the file of labels beside them. */
function sentOf({ chosen, labels }: Choice): Chosen[] {
  return labels ? [...chosen, labels] : chosen;
}

function remember(upload: string, choice: Choice) {
  const { labels, rules } = choice;
  asked.set(upload, {
    ...rules,
    labels: labels?.path ?? rules.labels,
    inside: labels === null && rules.labels !== "",
  });
}

function start(upload: string, choice: Choice): Sending {
  const sending = startSending(upload, sentOf(choice));
  void sending
    .run()
    .then((sent) => (sent ? finish(upload) : undefined))
    .catch((error: Error) => sending.fail(error));
  return sending;
}

/** Has the service add what was sent, by what was said of it. */
async function finish(upload: string): Promise<void> {
  const rules = asked.get(upload);
  if (!rules) return;
  await send("POST", `/uploads/${upload}/add`, {
    issuer: rules.issuer || "local",
    column: rules.way === "column" ? rules.column : undefined,
    pattern: rules.way === "pattern" ? rules.pattern : undefined,
    labels: rules.labels || undefined,
    labels_are_data: rules.inside,
  });
}

function Files({ choice }: { choice: Choice }) {
  const pick = (event: ChangeEvent<HTMLInputElement>) => choice.choose(event.target.files);
  return (
    <>
      <div className={style.picker}>
        <label>
          A folder{" "}
          <input
            type="file"
            name="folder"
            multiple
            {...{ webkitdirectory: "" }}
            onChange={pick}
          />
        </label>
        <label>
          or files <input type="file" name="files" multiple onChange={pick} />
        </label>
      </div>
      <div className={style.picker}>
        <label>
          Labels, a table beside them (if there is one){" "}
          <input
            type="file"
            name="labels"
            accept=".csv,.tsv,text/csv"
            onChange={(event) => choice.chooseLabels(event.target.files)}
          />
        </label>
      </div>
    </>
  );
}

function Whose({ choice }: { choice: Choice }) {
  const { rules, change, chosen } = choice;
  const [columns, setColumns] = useState<string[]>([]);
  const tables = tablesOf(chosen);
  useEffect(() => {
    let gone = false;
    void Promise.all(tables.slice(0, 5).map((one) => columnsOf(one.file))).then((found) => {
      if (!gone) setColumns([...new Set(found.flat())]);
    });
    return () => {
      gone = true;
    };
  }, [chosen]);
  const parts = rules.way === "pattern" ? divided(chosen, rules.pattern) : null;
  const ways: [Way, string][] = [
    ["pattern", "a part of each path says"],
    ["column", "a column of the tables says"],
    ["dicom", "the DICOM files say themselves"],
    ["none", "nobody knows yet: set them aside"],
  ];
  return (
    <Card title="2. Whose each file is">
      <fieldset className={style.choice}>
        <legend>The patient's id</legend>
        {ways.map(([way, title]) => (
          <label key={way}>
            <input
              type="radio"
              name="way"
              value={way}
              checked={rules.way === way}
              onChange={() => change({ way })}
            />
            {title}
          </label>
        ))}
      </fieldset>
      {rules.way === "pattern" ? (
        <Field
          label="Pattern on paths"
          hint={
            chosen.length === 0
              ? "Its first group is the id: ^([^/]+)/ takes the first folder."
              : parts
                ? `${count(parts.subjects)} patients${parts.example ? `, such as ${parts.example}` : ""}; ${count(parts.nobody)} files of nobody, which are set aside.`
                : null
          }
          wrong={parts || chosen.length === 0 ? null : "That is no pattern yet."}
        >
          <Input
            value={rules.pattern}
            onChange={(event) => change({ pattern: event.target.value })}
            spellCheck={false}
            required
          />
        </Field>
      ) : null}
      {rules.way === "column" ? (
        <Field label="Column" hint={columns.length ? `There are: ${columns.join(", ")}` : null}>
          <Input
            value={rules.column}
            list="columns"
            onChange={(event) => change({ column: event.target.value })}
            spellCheck={false}
            required
          />
        </Field>
      ) : null}
      <datalist id="columns">
        {columns.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      <Field label="Who gave these ids" hint="Two hospitals may give one id to two patients.">
        <Input
          value={rules.issuer}
          onChange={(event) => change({ issuer: event.target.value })}
          required
        />
      </Field>
    </Card>
  );
}

/** An upload on its way, or one to go on with. */
function Going({ upload }: { upload: string }) {
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
      <progress
        className={style.bar}
        aria-label={stage}
        {...(of.total ? { value: of.done, max: of.total } : {})}
      />
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
      <progress
        className={style.bar}
        value={now.sent}
        max={Math.max(1, now.total)}
        aria-label="sent"
      />
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
