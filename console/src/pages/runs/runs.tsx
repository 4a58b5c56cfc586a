import { useEffect, useState } from "react";
import { Link, useLocation, useSearch } from "wouter";
import { useMay } from "../../api/me";
import { Filter } from "../../parts/filter";
import { Button, To } from "../../parts/form";
import { Empty, Failure, Loading } from "../../parts/note";
import { Bar, Page } from "../../parts/page";
import { count, Moment, several } from "../../parts/say";
import { State } from "../../parts/state";
import { type Column, Pager, Table } from "../../parts/table";
import { meant, read, write } from "./asked";
import { A_PAGE, useCalmly, useColumns, useRuns } from "./asking";
import { Columns } from "./columns";
import style from "./runs.module.css";
import type { Asked, RunRow } from "./types";
import { Views } from "./views";
import { Fence, lasted, Standing, value } from "./words";

const QUICK: readonly (readonly [string, string])[] = [
  ["All", ""],
  ["Running", "attributes.status = 'RUNNING'"],
  ["Failed", "attributes.status = 'FAILED'"],
];
const MOST_COMPARED = 8;

/** The table of runs: what is asked for stands in the address, so that it can be passed on. */
export default function RunsPage() {
  const search = useSearch();
  const [, go] = useLocation();
  const asked = read(search);
  const [pages, setPages] = useState<string[]>([""]);
  const [chosen, setChosen] = useState<string[]>([]);
  const suggested = useColumns("", 3, "metrics");
  const columns = asked.columns.length
    ? asked.columns
    : (suggested.data?.items ?? []).map((one) => `${one.kind}.${one.name}`);
  const found = useRuns(asked, columns, pages.at(-1) as string);
  useCalmly("runs", ["runs"]);
  useEffect(() => setPages([""]), [search]);

  const ask = (more: Partial<Asked>) =>
    go(`/runs${write({ ...asked, ...more })}`, { replace: true });
  const toggle = (run: string) =>
    setChosen(chosen.includes(run) ? chosen.filter((one) => one !== run) : [...chosen, run]);
  const total = found.data?.total ?? 0;
  return (
    <Page
      title="Runs"
      about={found.data ? `${several(total, "run")}${asked.filter ? " match" : ""}` : "…"}
      actions={<Compare chosen={chosen} clear={() => setChosen([])} />}
    >
      <Bar>
        <Filter
          label="Filter runs: words of a name, or metrics.loss < 0.1 AND params.rate = '0.01'"
          placeholder="name, id, or metrics.loss < 0.1 AND params.rate = '0.01'"
          value={asked.filter}
          onChange={(filter) => ask({ filter })}
        />
        <fieldset className={style.quick} aria-label="How runs stand">
          {QUICK.map(([name, filter]) => (
            <Button
              key={name}
              small
              plain
              aria-pressed={asked.filter === filter}
              onClick={() => ask({ filter })}
            >
              {name}
            </Button>
          ))}
        </fieldset>
        <Columns chosen={columns} onChange={(next) => ask({ columns: next })} />
        <Views asked={{ ...asked, columns: [...columns] }} onChoose={(view) => ask(view)} />
      </Bar>
      {asked.experiment ? (
        <p className={style.narrowed}>
          Of the experiment <b>{asked.experiment}</b>{" "}
          <Button small plain onClick={() => ask({ experiment: "" })}>
            Show all
          </Button>
        </p>
      ) : null}
      {meant(asked.filter) !== asked.filter.trim() ? (
        <p className={style.meant}>
          That is <code>{meant(asked.filter)}</code>
        </p>
      ) : null}
      {found.isError ? (
        <Failure error={found.error} again={() => void found.refetch()} />
      ) : null}
      {found.isPending ? <Loading of="the table of runs" lines={8} /> : null}
      {found.data && total === 0 ? <Nothing asked={asked} /> : null}
      {found.data && total > 0 ? (
        <>
          <Table
            caption="Runs"
            columns={shown(columns, chosen, toggle, (experiment) => ask({ experiment }))}
            rows={found.data.items}
            id={(row) => row.run}
            order={asked.order}
            onOrder={(order) => ask({ order })}
          />
          <Pages pages={pages} next={found.data.next} total={total} onPages={setPages} />
        </>
      ) : null}
    </Page>
  );
}

function shown(
  columns: readonly string[],
  chosen: readonly string[],
  toggle: (run: string) => void,
  within: (experiment: string) => void,
): Column<RunRow>[] {
  return [
    {
      key: "chosen",
      title: "",
      cell: (row) => (
        <input
          type="checkbox"
          aria-label={`compare ${row.name || row.run}`}
          checked={chosen.includes(row.run)}
          disabled={chosen.length >= MOST_COMPARED && !chosen.includes(row.run)}
          onChange={() => toggle(row.run)}
        />
      ),
    },
    {
      key: "attributes.run_name",
      title: "Run",
      sortable: true,
      cell: (row) => (
        <div className={style.run}>
          <Link href={`/runs/${row.run}`}>{row.name || row.run}</Link>
          <span className={style.marks}>
            <Fence level={row.fence} there={row.fenced !== null} />
            <Standing of={row.standing} />
            {row.tainted ? <Tainted /> : null}
            {row.findings ? (
              <span className={style.finding}>{`${row.findings} found`}</span>
            ) : null}
          </span>
        </div>
      ),
    },
    {
      key: "attributes.status",
      title: "State",
      sortable: true,
      cell: (row) => <State of={row.state} />,
    },
    ...columns.map(
      (name): Column<RunRow> => ({
        key: name,
        title: name.slice(name.indexOf(".") + 1),
        sortable: true,
        number: name.startsWith("metrics."),
        cell: (row) => value(row.values[name]),
      }),
    ),
    {
      key: "data",
      title: "Data",
      minor: true,
      cell: (row) => row.data.map((one) => <Data key={one} of={one} />),
    },
    {
      key: "experiment",
      title: "Experiment",
      minor: true,
      cell: (row) =>
        row.experiment ? (
          <button
            type="button"
            className={style.within}
            onClick={() => within(row.experiment as string)}
          >
            {row.experiment}
          </button>
        ) : null,
    },
    { key: "who", title: "Who", minor: true, cell: (row) => row.who },
    {
      key: "attributes.start_time",
      title: "Started",
      sortable: true,
      cell: (row) => (row.started ? <Moment at={row.started} /> : null),
    },
    {
      key: "lasted",
      title: "Took",
      number: true,
      minor: true,
      cell: (row) => lasted(row.started, row.ended),
    },
  ];
}

function Data({ of }: { of: string }) {
  const [dataset, rest] = of.split("@");
  const number = (rest ?? "").split(":")[0];
  return (
    <Link className={style.data as string} href={`/data/${dataset}/${number}`}>
      {of}
    </Link>
  );
}

function Tainted() {
  return <span className={style.finding}>data erased since</span>;
}

function Compare({ chosen, clear }: { chosen: readonly string[]; clear: () => void }) {
  const runs = useMay("run");
  if (chosen.length === 0) return runs ? <To href="/runs/new">New run</To> : null;
  return (
    <>
      {chosen.length > 1 ? (
        <To href={`/compare?runs=${chosen.join(",")}`}>{`Compare ${chosen.length} runs`}</To>
      ) : (
        <span className="soft">Choose another run to compare</span>
      )}
      <Button plain small onClick={clear}>
        Clear
      </Button>
    </>
  );
}

function Nothing({ asked }: { asked: Asked }) {
  if (asked.filter || asked.experiment)
    return (
      <Empty title="No run matches">
        <p>
          Words are looked for in names. A filter says what must hold, as in{" "}
          <code>metrics.loss &lt; 0.1 AND params.rate = '0.01'</code>,{" "}
          <code>tags.team = 'a'</code>, <code>dataset.name = 'chest'</code>,{" "}
          <code>attributes.status = 'FAILED'</code>.
        </p>
      </Empty>
    );
  return (
    <Empty title="No run yet">
      <p>
        Train your own script on sealed data:{" "}
        <code>cloister run -- python train.py --data ./scans</code>
      </p>
    </Empty>
  );
}

interface PagesProps {
  pages: readonly string[];
  next: string | null;
  total: number;
  onPages: (pages: string[]) => void;
}

function Pages({ pages, next, total, onPages }: PagesProps) {
  const first = (pages.length - 1) * A_PAGE + 1;
  const last = Math.min(total, first + A_PAGE - 1);
  if (total <= A_PAGE) return null;
  return (
    <Pager
      of="Pages of runs"
      shown={`${count(first)}–${count(last)} of ${count(total)}`}
      before="Newer"
      after="Older"
      onBefore={pages.length > 1 ? () => onPages(pages.slice(0, -1)) : null}
      onAfter={next === null ? null : () => onPages([...pages, next])}
    />
  );
}
