import { useQueries } from "@tanstack/react-query";
import { useMemo } from "react";
import { Link, useLocation, useSearch } from "wouter";
import { get } from "../../api/client";
import { Button } from "../../parts/form";
import { Empty, Failure, Loading } from "../../parts/note";
import { Page } from "../../parts/page";
import { State } from "../../parts/state";
import { Curves } from "../runs/curves";
import type { OneRun, Tracked } from "../runs/types";
import { Between } from "./between";
import style from "./compare.module.css";
import { Params } from "./params";
import { titleOf } from "./titles";

const MOST = 8;

/** Several runs over one another: curves, parameters, and what made two of them differ. */
export default function ComparePage() {
  const [, go] = useLocation();
  const ids = (new URLSearchParams(useSearch()).get("runs") ?? "")
    .split(",")
    .filter(Boolean)
    .slice(0, MOST);
  const found = useQueries({
    queries: ids.map((run) => ({
      queryKey: ["run", run],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        get<OneRun>(`/runs/${encodeURIComponent(run)}`, {}, signal),
    })),
  });
  const there = found.flatMap((one) => (one.data ? [one.data] : []));
  const failed = found.find((one) => one.isError);
  const without = (run: string) =>
    go(`/compare?runs=${ids.filter((one) => one !== run).join(",")}`);
  const stamp = there.map((one) => one.run).join(",");
  const tracked = useMemo(
    () =>
      there.flatMap((one) =>
        one.tracked.map((each) => ({ run: each.run, label: nameOf(one, each) })),
      ),
    [stamp],
  );
  if (ids.length < 2)
    return (
      <Page title="Compare">
        <Empty title="Choose two runs or more">
          <p>
            Tick them in the <Link href="/runs">table of runs</Link>.
          </p>
        </Empty>
      </Page>
    );
  return (
    <Page title={`Compare ${ids.length} runs`} kind={<Link href="/runs">Runs</Link>}>
      {failed ? <Failure error={failed.error} again={() => void failed.refetch()} /> : null}
      <ol className={style.runs}>
        {there.map((one, at) => (
          <li key={one.run} className={style[`colour${at % 8}`]}>
            <Link href={`/runs/${one.run}`}>{titleOf(one)}</Link>
            <State of={one.fenced?.state ?? one.tracked[0]?.state ?? ""} />
            <span className="soft">
              {one.fenced?.inputs.map((given) => given.name).join(", ")}
            </span>
            {ids.length > 2 ? (
              <Button
                small
                plain
                onClick={() => without(one.run)}
                aria-label={`leave out ${titleOf(one)}`}
              >
                ×
              </Button>
            ) : null}
          </li>
        ))}
      </ol>
      {found.some((one) => one.isPending) ? <Loading of="the runs" /> : null}
      {there.length > 1 ? (
        <>
          <Between runs={there.filter((one) => one.fenced !== null)} />
          <Params runs={there} />
          <h2>Curves</h2>
          <Curves runs={tracked} />
        </>
      ) : null}
    </Page>
  );
}

function nameOf(one: OneRun, each: Tracked): string {
  return each.name || titleOf(one);
}
