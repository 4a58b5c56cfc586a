import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { get, type Listed } from "../../api/client";
import type { AccessLine } from "../../api/data";
import { Button } from "../../parts/form";
import { Empty, Failure, Loading } from "../../parts/note";
import { Page } from "../../parts/page";
import { count, Id, moment } from "../../parts/say";
import { Table } from "../../parts/table";
import { useLive } from "../../shell/live";
import style from "./data.module.css";

const PURPOSES: Record<string, string> = {
  run: "a run was given it",
  get: "taken out of the lab",
  check: "checked",
  list: "names shown",
  report: "findings shown",
  look: "a picture shown",
  balance: "labels counted",
  prove: "a bundle made",
  disclose: "disclosed in a bundle",
};
type Page_ = Listed<AccessLine> & { runs: string[] };

/** Who read a version or a record of it, when, what for, and why they might. */
export default function Access({ params }: { params: Readonly<Record<string, string>> }) {
  const { dataset = "", number = "" } = params;
  const where = `/data/${encodeURIComponent(dataset)}/${number}`;
  const { data, error, fetchNextPage, hasNextPage, isFetching, refetch } = useInfiniteQuery({
    queryKey: ["access", dataset, number],
    queryFn: ({ pageParam }) => get<Page_>(`${where}/access`, { limit: 50, after: pageParam }),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next,
  });
  useLive("data", ["access", dataset, number]);
  const rows = data?.pages.flatMap((one) => one.items) ?? [];
  const first = data?.pages[0];
  return (
    <Page
      title={`Who read ${dataset}@${number}`}
      kind="Access history"
      about={
        <>
          From the ledger: a reading is on record before its first byte.{" "}
          <Link href={where}>Back to the version</Link>
        </>
      }
    >
      {error ? <Failure error={error} again={() => void refetch()} /> : null}
      {first ? (
        rows.length === 0 ? (
          <Empty title="Nobody has read it" />
        ) : (
          <>
            <Table
              caption="Readings"
              rows={rows}
              id={(one) => String(one.place)}
              columns={[
                {
                  key: "time",
                  title: "When",
                  tight: true,
                  cell: (one) => moment(one.time),
                },
                { key: "who", title: "Who", cell: (one) => one.who },
                {
                  key: "what",
                  title: "What for",
                  wide: true,
                  cell: (one) => (
                    <>
                      {PURPOSES[one.purpose] ?? one.purpose}
                      {one.run ? (
                        <>
                          {" "}
                          <Link href={`/runs/${one.run}`}>{one.run.slice(0, 12)}…</Link>
                        </>
                      ) : null}
                      {one.record ? (
                        <>
                          {" "}
                          <Id of={one.record} />
                        </>
                      ) : null}
                    </>
                  ),
                },
                {
                  key: "records",
                  title: "Records",
                  number: true,
                  cell: (one) =>
                    one.records === null ? (
                      <span
                        className="soft"
                        title="the reader never came back to say: all of it counts as read"
                      >
                        all
                      </span>
                    ) : (
                      count(one.records)
                    ),
                },
                { key: "why", title: "Why they might", minor: true, cell: (one) => one.why },
                {
                  key: "entry",
                  title: "Entry",
                  number: true,
                  minor: true,
                  cell: (one) => one.place,
                },
              ]}
            />
            <p className={style.more}>
              <span className="soft">
                {count(rows.length)} of {count(first.total)}
              </span>{" "}
              {hasNextPage ? (
                <Button plain small busy={isFetching} onClick={() => void fetchNextPage()}>
                  Show older ones
                </Button>
              ) : null}
            </p>
          </>
        )
      ) : error ? null : (
        <Loading of="the access history" />
      )}
    </Page>
  );
}
