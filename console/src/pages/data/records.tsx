import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { get, type Listed } from "../../api/client";
import { type RecordLine, type VersionPage, versionPath } from "../../api/data";
import { Button } from "../../parts/form";
import { Badge, Failure, Loading } from "../../parts/note";
import { bytes, count, Id } from "../../parts/say";
import { type Column, Table } from "../../parts/table";
import style from "./data.module.css";

/** The records of a version, a hundred at a time; their names where asked for. */
export function Records({ page }: { page: VersionPage }) {
  const [names, setNames] = useState(false);
  const { version, may } = page;
  const { data, error, fetchNextPage, hasNextPage, isFetching, refetch } = useInfiniteQuery({
    queryKey: ["records", version.dataset, version.number, names],
    queryFn: ({ pageParam }) =>
      get<Listed<RecordLine>>(`${versionPath(version)}/records`, {
        limit: 100,
        after: pageParam,
        names: names || null,
      }),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const rows = data?.pages.flatMap((one) => one.items) ?? [];
  const columns: Column<RecordLine>[] = [
    {
      key: "record",
      title: "Record",
      wide: names === false,
      cell: (one) => <Id of={one.record} short={20} />,
    },
    ...(names
      ? [
          {
            key: "path",
            title: "Path",
            wide: true,
            cell: (one: RecordLine) =>
              one.path === null ? (
                <Badge kind="warn">erased</Badge>
              ) : (
                <span className={style.path}>{one.path}</span>
              ),
          },
          {
            key: "labels",
            title: "Labels",
            cell: (one: RecordLine) =>
              one.labels.map(([schema, value]) => `${schema}: ${value}`).join(", "),
          },
        ]
      : []),
    {
      key: "subject",
      title: "Subject",
      cell: (one) =>
        one.subject === null ? (
          <span className="soft">of many</span>
        ) : may.trace ? (
          <Link href={`/lineage/subject/${one.subject}`}>{one.subject.slice(0, 12)}…</Link>
        ) : (
          <Id of={one.subject} />
        ),
    },
    {
      key: "kind",
      title: "Kind",
      minor: true,
      cell: (one) => (one.erased ? <Badge kind="warn">erased</Badge> : one.kind),
    },
    {
      key: "size",
      title: "Size",
      number: true,
      tight: true,
      minor: true,
      cell: (one) => bytes(one.size_bytes),
    },
  ];
  return (
    <>
      <h2>Records</h2>
      {may.read ? (
        <p>
          <Button plain small aria-pressed={names} onClick={() => setNames(!names)}>
            {names ? "Hide names and labels" : "Show names and labels"}
          </Button>{" "}
          <span className="soft">
            {names
              ? "each page that you open is recorded"
              : "opens what is sealed, which is recorded"}
          </span>
        </p>
      ) : null}
      {error ? <Failure error={error} again={() => void refetch()} /> : null}
      {data ? (
        <>
          <Table caption="Records" rows={rows} id={(one) => one.record} columns={columns} />
          <p className={style.more}>
            <span className="soft">
              {count(rows.length)} of {count(data.pages[0]?.total ?? 0)}
            </span>{" "}
            {hasNextPage ? (
              <Button plain small busy={isFetching} onClick={() => void fetchNextPage()}>
                Show more
              </Button>
            ) : null}
          </p>
        </>
      ) : error ? null : (
        <Loading of="the list of records" />
      )}
    </>
  );
}
