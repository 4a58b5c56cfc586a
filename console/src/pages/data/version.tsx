import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useLocation } from "wouter";
import { useAct } from "../../api/act";
import { get, type Listed, send } from "../../api/client";
import { type Balance, type Version, type VersionPage, versionPath } from "../../api/data";
import { Button, To } from "../../parts/form";
import { Badge, Failure, Loading, Note } from "../../parts/note";
import { Card, Facts, Grid, Page } from "../../parts/page";
import { bytes, count, Id, Moment, several } from "../../parts/say";
import { Table } from "../../parts/table";
import { useLive } from "../../shell/live";
import { Checked } from "./checked";
import style from "./data.module.css";
import { Records } from "./records";
import { Relabel } from "./relabel";

/** One version: is it sound, what does it hold, who has it. */
export default function VersionView({ params }: { params: Readonly<Record<string, string>> }) {
  const { dataset = "", number = "latest" } = params;
  const where = `/data/${encodeURIComponent(dataset)}/${number}`;
  const { data, error, refetch } = useQuery({
    queryKey: ["data", dataset, number],
    queryFn: () => get<VersionPage>(where),
  });
  useLive("data", ["data", dataset, number]);
  if (error && !data) {
    return (
      <Page title={`${dataset}@${number}`} kind="Dataset version">
        <Failure error={error} again={() => void refetch()} />
      </Page>
    );
  }
  if (!data) {
    return (
      <Page title={`${dataset}@${number}`} kind="Dataset version">
        <Loading of="the version" />
      </Page>
    );
  }
  return <Whole page={data} />;
}

function Whole({ page }: { page: VersionPage }) {
  const { version } = page;
  const name = `${version.dataset}@${version.number}`;
  const older = page.history.find((one) => one.version.number < version.number);
  return (
    <Page
      title={name}
      kind={
        <>
          Dataset version
          {page.tags.map((tag) => (
            <span key={tag}>
              {" "}
              <Badge>{tag}</Badge>
            </span>
          ))}
        </>
      }
      about={
        <>
          {several(version.records, "record")} of {several(version.subjects, "subject")},{" "}
          {bytes(version.size_bytes)}, <Moment at={version.time} />
        </>
      }
      actions={
        <>
          <To plain href={`/lineage/version/${name}`}>
            Lineage
          </To>
          {page.may.audit ? (
            <To plain href={`${versionPath(version)}/access`}>
              Who read it
            </To>
          ) : null}
          {older ? (
            <To
              plain
              href={`/data/${version.dataset}/diff?older=${older.version.number}&newer=${version.number}`}
            >
              What changed
            </To>
          ) : null}
          {page.may.add ? <To href={`/data/add?name=${version.dataset}`}>Add more</To> : null}
        </>
      }
    >
      {page.newest > version.number ? (
        <Note>
          There is a newer version:{" "}
          <Link href={versionPath({ dataset: version.dataset, number: page.newest })}>
            {version.dataset}@{page.newest}
          </Link>
        </Note>
      ) : null}
      {page.erased ? (
        <Note kind="warn">
          {several(page.erased, "subject was", "subjects were")} erased: their records are still
          counted here, and nobody can read them.
        </Note>
      ) : null}
      <Checked page={page} />
      <Grid>
        <Card title="What it holds">
          <Facts
            of={[
              ...page.kinds.map(
                (one) => [one.kind, `${count(one.records)}, ${bytes(one.size_bytes)}`] as const,
              ),
              [
                "set aside",
                page.quarantined ? `${count(page.quarantined)} in quarantine` : "none",
              ],
              ["given to", several(page.runs, "run")],
              ["data class", page.data_class],
              ["root", <Id key="root" of={version.root} short={16} />],
            ]}
          />
        </Card>
        <Labels page={page} />
        {page.splits.map((split) => (
          <Card key={split.name} title={`Split ${split.name}, by subject`}>
            <Facts
              of={split.parts.map((part) => [
                part.part,
                `${several(part.records, "record")} of ${several(part.subjects, "subject")} (${part.share / 10} % asked for)`,
              ])}
            />
          </Card>
        ))}
      </Grid>
      <Records page={page} />
      {page.may.label && page.newest === version.number ? (
        <Relabel of={version.dataset} />
      ) : null}
      <History page={page} />
    </Page>
  );
}

function Labels({ page }: { page: VersionPage }) {
  const [open, setOpen] = useState(false);
  const { version, labels } = page;
  const { data, error, isFetching } = useQuery({
    queryKey: ["balance", version.dataset, version.number],
    queryFn: () => get<Listed<Balance>>(`${versionPath(version)}/balance`),
    enabled: open,
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (labels.length === 0) {
    return (
      <Card title="Labels">
        <p className="soft">
          None. Labels come with <code>--labels</code> at <code>add</code>, or later with{" "}
          <code>cloister relabel</code>.
        </p>
      </Card>
    );
  }
  return (
    <Card title="Labels">
      {error ? <Failure error={error} /> : null}
      {data ? (
        data.items.map((one) => <Spread key={one.schema} of={one} />)
      ) : (
        <>
          <Facts of={labels.map((one) => [one.schema, several(one.records, "record")])} />
          {page.may.read ? (
            <p>
              <Button plain small busy={isFetching} onClick={() => setOpen(true)}>
                Show how they are spread
              </Button>{" "}
              <span className="soft">reads them, which is recorded</span>
            </p>
          ) : null}
        </>
      )}
    </Card>
  );
}

function Spread({ of }: { of: Balance }) {
  const all = of.values.reduce((sum, [, number]) => sum + number, of.others);
  return (
    <>
      <h3>{of.schema}</h3>
      <div className={style.spread}>
        {of.values.map(([value, number]) => (
          <Part key={value} name={value} number={number} all={all} />
        ))}
        {of.others ? <Part name="other values" number={of.others} all={all} /> : null}
      </div>
      {of.missing || of.erased ? (
        <p className="soft">
          {of.missing ? `${several(of.missing, "record")} without this label. ` : ""}
          {of.erased ? `${count(of.erased)} of erased subjects.` : ""}
        </p>
      ) : null}
    </>
  );
}

function Part({ name, number, all }: { name: string; number: number; all: number }) {
  return (
    <>
      <span className={style.name}>{name}</span>
      <progress value={number} max={all} aria-label={`${name}: ${number} of ${all}`} />
      <span className="number">
        {count(number)} <span className="soft">{Math.round((1000 * number) / all) / 10} %</span>
      </span>
    </>
  );
}

function History({ page }: { page: VersionPage }) {
  const [, go] = useLocation();
  const [sure, setSure] = useState(false);
  const { version, may, history } = page;
  const retract = useAct(
    () => send<{ current: Version | null }>("POST", `${versionPath(version)}/retract`),
    ["data"],
  );
  const name = `${version.dataset}@${version.number}`;
  return (
    <>
      <h2>Versions</h2>
      {retract.error ? <Failure error={retract.error} /> : null}
      <Table
        caption="Versions"
        rows={history}
        id={(one) => String(one.version.number)}
        chosen={String(version.number)}
        columns={[
          {
            key: "number",
            title: "Version",
            wide: true,
            cell: (one) => (
              <>
                <Link href={versionPath(one.version)}>
                  {one.version.dataset}@{one.version.number}
                </Link>{" "}
                {one.tags.map((tag) => (
                  <Badge key={tag}>{tag}</Badge>
                ))}
              </>
            ),
          },
          {
            key: "records",
            title: "Records",
            number: true,
            cell: (one) => count(one.version.records),
          },
          {
            key: "subjects",
            title: "Subjects",
            number: true,
            cell: (one) => count(one.version.subjects),
          },
          {
            key: "time",
            title: "Made",
            tight: true,
            cell: (one) => <Moment at={one.version.time} />,
          },
          {
            key: "diff",
            title: "",
            tight: true,
            cell: (one) =>
              one.version.number === version.number ? null : (
                <Link
                  href={`/data/${version.dataset}/diff?older=${Math.min(one.version.number, version.number)}&newer=${Math.max(one.version.number, version.number)}`}
                >
                  Compare
                </Link>
              ),
          },
        ]}
      />
      {may.retract ? (
        sure ? (
          <Note kind="warn">
            <p>
              {name} would be gone, as if it had never been; its bytes stay sealed in the store.
            </p>
            <Button
              danger
              busy={retract.isPending}
              onClick={() =>
                retract.mutate(undefined, {
                  onSuccess: ({ current }) => go(current ? versionPath(current) : "/data"),
                })
              }
            >
              Take {name} back
            </Button>{" "}
            <Button plain onClick={() => setSure(false)}>
              Keep it
            </Button>
          </Note>
        ) : (
          <p>
            <Button plain onClick={() => setSure(true)}>
              Take this version back…
            </Button>{" "}
            <span className="soft">possible within a day of its add, while nobody used it</span>
          </p>
        )
      ) : may.add && may.kept_because ? (
        <p className="soft">{sentence(may.kept_because)}</p>
      ) : null}
    </>
  );
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
