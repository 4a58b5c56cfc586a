import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { get, type Listed } from "../../api/client";
import { type Dataset, versionPath } from "../../api/data";
import { useMay } from "../../api/me";
import { Filter } from "../../parts/filter";
import { To } from "../../parts/form";
import { Empty, Failure, Loading } from "../../parts/note";
import { Bar, Page } from "../../parts/page";
import { bytes, count, Moment, several } from "../../parts/say";
import { Table } from "../../parts/table";
import { useLive } from "../../shell/live";
import style from "./data.module.css";
import { Summary } from "./findings";
import { Waiting } from "./waiting";

/** Every dataset, and whether it is sound. */
export default function Datasets() {
  const add = useMay("add");
  const [filter, setFilter] = useState("");
  const { data, error, refetch } = useQuery({
    queryKey: ["data"],
    queryFn: () => get<Listed<Dataset>>("/data"),
  });
  useLive("data", ["data"]);
  const rows = (data?.items ?? []).filter((one) => one.name.includes(filter.trim()));
  return (
    <Page
      title="Data"
      about="Sealed, each patient under a key of their own; versions never change."
      actions={add ? <To href="/data/add">Add data</To> : null}
    >
      {add ? <Waiting /> : null}
      {error ? <Failure error={error} again={() => void refetch()} /> : null}
      {data ? (
        data.items.length === 0 ? (
          <Empty title="No data yet">
            <p>
              {add ? (
                <>
                  <Link href="/data/add">Add a folder from this browser</Link>, or on the
                  machine: <code>cloister add ./scans --labels labels.csv</code>
                </>
              ) : (
                "Datasets appear here once somebody adds them to a project that you see."
              )}
            </p>
          </Empty>
        ) : (
          <>
            {data.items.length > 8 ? (
              <Bar>
                <Filter label="Names that contain" value={filter} onChange={setFilter} />
              </Bar>
            ) : null}
            <Table
              caption="Datasets"
              rows={rows}
              id={(one) => one.name}
              columns={[
                {
                  key: "name",
                  title: "Dataset",
                  wide: true,
                  cell: (one) => (
                    <>
                      {one.latest ? (
                        <>
                          <Link href={versionPath(one.latest)}>{one.name}</Link>{" "}
                          <span className="soft">@{one.latest.number}</span>
                        </>
                      ) : (
                        <>
                          {one.name} <span className="soft">nothing in it yet</span>
                        </>
                      )}
                      {one.unfinished === null ? null : (
                        <p className="soft">
                          An add of it goes on or was interrupted,{" "}
                          {several(one.unfinished, "record")} sealed: add its folder again, and
                          it is finished.
                        </p>
                      )}
                    </>
                  ),
                },
                {
                  key: "found",
                  title: "Checks",
                  cell: (one) => (
                    <span className={style.badges}>
                      <Summary checked={one.checked} findings={one.findings} />
                    </span>
                  ),
                },
                {
                  key: "records",
                  title: "Records",
                  number: true,
                  minor: true,
                  cell: (one) => count(one.latest?.records ?? 0),
                },
                {
                  key: "subjects",
                  title: "Subjects",
                  number: true,
                  cell: (one) => count(one.latest?.subjects ?? 0),
                },
                {
                  key: "aside",
                  title: "Set aside",
                  number: true,
                  minor: true,
                  cell: (one) =>
                    one.quarantined ? count(one.quarantined) : <span className="soft">0</span>,
                },
                {
                  key: "size",
                  title: "Size",
                  number: true,
                  tight: true,
                  minor: true,
                  cell: (one) => bytes(one.latest?.size_bytes ?? 0),
                },
                {
                  key: "time",
                  title: "Newest",
                  minor: true,
                  tight: true,
                  cell: (one) => <Moment at={one.latest?.time ?? null} />,
                },
              ]}
            />
          </>
        )
      ) : error ? null : (
        <Loading of="the list of datasets" />
      )}
    </Page>
  );
}
