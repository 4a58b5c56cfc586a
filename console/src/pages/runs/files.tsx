import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useLocation, useSearch } from "wouter";
import { get, type Listed } from "../../api/client";
import { Filter } from "../../parts/filter";
import { Empty, Failure, Loading } from "../../parts/note";
import { Bar } from "../../parts/page";
import { bytes, count, several } from "../../parts/say";
import { type Column, Table } from "../../parts/table";
import { Preview } from "./preview";
import style from "./run.module.css";
import type { FileLine } from "./types";

/** What a run left and logged; the one that was chosen is shown beside. */
export function Files({ run, live }: { run: string; live: boolean }) {
  const [filter, setFilter] = useState("");
  const [, go] = useLocation();
  const chosen = new URLSearchParams(useSearch()).get("file");
  const found = useQuery({
    queryKey: ["files", run, filter],
    queryFn: ({ signal }) =>
      get<Listed<FileLine>>(`/runs/${run}/files`, { filter, limit: 200 }, signal),
    placeholderData: keepPreviousData,
    staleTime: live ? 5_000 : 60_000,
  });
  const files = found.data?.items ?? [];
  const one = files.find((file) => file.ref === chosen);
  const columns: Column<FileLine>[] = [
    {
      key: "path",
      title: "File",
      wide: true,
      cell: (row) =>
        row.path === null ? (
          <span className="soft">its name is shown to those who may read data</span>
        ) : (
          <Link
            href={`?tab=files&file=${encodeURIComponent(row.ref)}`}
            replace
            className={style.file as string}
          >
            {row.path}
          </Link>
        ),
    },
    { key: "kind", title: "Kind", minor: true, cell: (row) => row.kind },
    { key: "size", title: "Size", number: true, cell: (row) => bytes(row.size_bytes) },
  ];
  return (
    <>
      <Bar>
        <Filter label="Find a file" value={filter} onChange={setFilter} />
        <span className="soft number">
          {found.data ? several(found.data.total, "file") : ""}
        </span>
      </Bar>
      {found.isError ? (
        <Failure error={found.error} again={() => void found.refetch()} />
      ) : null}
      {found.isPending ? <Loading of="the files" /> : null}
      {found.data?.total === 0 ? (
        <Empty title={filter ? "No name holds that" : "It left nothing yet"}>
          {live ? (
            <p>Files are kept when a run ends; artifacts that it logs show at once.</p>
          ) : null}
        </Empty>
      ) : null}
      <div className={one ? style.beside : undefined}>
        {files.length ? (
          <Table
            caption="Files"
            columns={columns}
            rows={files}
            id={(row) => row.ref}
            chosen={chosen}
          />
        ) : null}
        {one ? (
          <Preview run={run} file={one} onClose={() => go("?tab=files", { replace: true })} />
        ) : null}
      </div>
      {found.data && found.data.total > files.length ? (
        <p className="soft">{`The first ${count(files.length)}: find others by a part of their name.`}</p>
      ) : null}
    </>
  );
}
