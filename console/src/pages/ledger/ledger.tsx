import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useSearchParams } from "wouter";
import { get, type Listed } from "../../api/client";
import { Filter } from "../../parts/filter";
import { Button, Input } from "../../parts/form";
import { Empty, Failure, Loading } from "../../parts/note";
import { Bar, Page } from "../../parts/page";
import { count, moment } from "../../parts/say";
import { Table } from "../../parts/table";
import { useLive } from "../../shell/live";
import { Checking } from "./checking";
import style from "./ledger.module.css";

interface Line {
  index: number;
  type: string;
  time: string;
  actor: string;
  whose: string;
  about: string;
}

/** The one record: searched, and checked by whoever looks. */
export default function Ledger() {
  const [said, say] = useSearchParams();
  const wanted = Object.fromEntries(
    ["type", "actor", "holds", "since", "until"].map((name) => [name, said.get(name) ?? ""]),
  );
  const set = (name: string, value: string) =>
    say((before) => {
      if (value) before.set(name, value);
      else before.delete(name);
      return before;
    });
  const { data, error, refetch, fetchNextPage, hasNextPage, isFetchingNextPage } =
    useInfiniteQuery({
      queryKey: ["ledger", wanted],
      queryFn: ({ pageParam }) =>
        get<Listed<Line>>("/ledger", { ...wanted, limit: 50, after: pageParam }),
      initialPageParam: null as string | null,
      getNextPageParam: (last) => last.next,
    });
  useLive("ledger", ["ledger"]);
  const lines = data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Page
      title="Ledger"
      about="Everything that was done, who did it and why it was allowed: written once, never changed."
    >
      <Checking />
      <Bar>
        <Filter
          label="Type: run.begun, or run for all of runs"
          value={wanted.type ?? ""}
          onChange={(value) => set("type", value)}
        />
        <Filter
          label="An id or word that it holds"
          quiet
          value={wanted.holds ?? ""}
          onChange={(value) => set("holds", value)}
        />
        <Filter
          label="Who did it"
          quiet
          value={wanted.actor ?? ""}
          onChange={(value) => set("actor", value)}
        />
        <span className={style.day}>
          From
          <Input
            aria-label="From"
            type="date"
            value={wanted.since ?? ""}
            onChange={(event) => set("since", event.target.value)}
          />
        </span>
        <span className={style.day}>
          to
          <Input
            aria-label="Until"
            type="date"
            value={wanted.until ?? ""}
            onChange={(event) => set("until", event.target.value)}
          />
        </span>
      </Bar>
      {error ? <Failure error={error} again={() => void refetch()} /> : null}
      {data ? null : error ? null : <Loading lines={8} of="the ledger" />}
      {data && lines.length === 0 ? (
        <Empty title={hasNextPage ? "Nothing among the newest entries" : "Nothing fits"}>
          <p>Ask for less, or look further back.</p>
        </Empty>
      ) : null}
      {lines.length ? (
        <Table
          caption="Entries, the newest first"
          rows={lines}
          id={(line) => String(line.index)}
          columns={[
            {
              key: "index",
              title: "Entry",
              number: true,
              cell: (line) => <Link href={`/ledger/${line.index}`}>{line.index}</Link>,
            },
            {
              key: "type",
              title: "What",
              tight: true,
              cell: (line) => <code>{line.type}</code>,
            },
            {
              key: "about",
              title: "About",
              wide: true,
              minor: true,
              cell: (line) => <code className="soft">{line.about}</code>,
            },
            { key: "whose", title: "Who", cell: (line) => line.whose },
            {
              key: "time",
              title: "When",
              tight: true,
              cell: (line) => moment(line.time),
            },
          ]}
        />
      ) : null}
      {hasNextPage ? (
        <Button plain busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          Older entries
        </Button>
      ) : null}
      {data?.pages[0] ? (
        <p className={style.sum}>{count(data.pages[0].total)} entries in all</p>
      ) : null}
    </Page>
  );
}
