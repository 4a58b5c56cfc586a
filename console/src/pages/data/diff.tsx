import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useSearch } from "wouter";
import { get } from "../../api/client";
import { type Changed, type Difference, versionPath } from "../../api/data";
import { useMay } from "../../api/me";
import { Button } from "../../parts/form";
import { Badge, Empty, Failure, Loading, type Tone } from "../../parts/note";
import { Card, Facts, Page } from "../../parts/page";
import { bytes, Id, several } from "../../parts/say";
import { Table } from "../../parts/table";
import style from "./data.module.css";

const TONES: Record<Changed["how"], Tone> = {
  added: "good",
  removed: "bad",
  relabelled: "warn",
};

/** What sets two versions of a dataset apart. */
export default function Diff({ params }: { params: Readonly<Record<string, string>> }) {
  const { dataset = "" } = params;
  const said = new URLSearchParams(useSearch());
  const [older, newer] = [said.get("older") ?? "", said.get("newer") ?? ""];
  const [names, setNames] = useState(false);
  const read = useMay("read");
  const { data, error, refetch, isFetching } = useQuery({
    queryKey: ["diff", dataset, older, newer, names],
    queryFn: () =>
      get<Difference>(`/data/${encodeURIComponent(dataset)}/diff`, {
        older,
        newer,
        names: names || null,
      }),
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: (before) => before,
  });
  return (
    <Page
      title={`${dataset}@${older} and @${newer}`}
      kind="Difference of two versions"
      about={
        data ? (
          <>
            From <Link href={versionPath(data.older)}>@{older}</Link> to{" "}
            <Link href={versionPath(data.newer)}>@{newer}</Link>
          </>
        ) : null
      }
    >
      {error ? <Failure error={error} again={() => void refetch()} /> : null}
      {data ? (
        <>
          <Card>
            <Facts
              of={[
                [
                  "added",
                  `${several(data.added, "record")}, ${several(data.subjects_added, "new subject")}`,
                ],
                [
                  "removed",
                  `${several(data.removed, "record")}, ${several(data.subjects_removed, "subject")} less`,
                ],
                ["labelled otherwise", several(data.relabelled, "record")],
                ["the same", several(data.unchanged, "record")],
              ]}
            />
          </Card>
          {data.items.length === 0 ? (
            <Empty title="The two versions show the same" />
          ) : (
            <>
              {read && !names ? (
                <p>
                  <Button plain small busy={isFetching} onClick={() => setNames(true)}>
                    Show names
                  </Button>{" "}
                  <span className="soft">opens what is sealed, which is recorded</span>
                </p>
              ) : null}
              <Table
                caption="Records that set the versions apart"
                rows={data.items}
                id={(one) => one.record}
                columns={[
                  {
                    key: "how",
                    title: "What",
                    cell: (one) => <Badge kind={TONES[one.how]}>{one.how}</Badge>,
                  },
                  {
                    key: "record",
                    title: names ? "Path" : "Record",
                    wide: true,
                    cell: (one) =>
                      one.path ? (
                        <span className={style.path}>{one.path}</span>
                      ) : (
                        <Id of={one.record} short={20} />
                      ),
                  },
                  {
                    key: "subject",
                    title: "Subject",
                    minor: true,
                    cell: (one) =>
                      one.subject ? (
                        <Id of={one.subject} />
                      ) : (
                        <span className="soft">of many</span>
                      ),
                  },
                  {
                    key: "size",
                    title: "Size",
                    number: true,
                    tight: true,
                    cell: (one) => bytes(one.size_bytes),
                  },
                ]}
              />
              {Math.max(data.added, data.removed, data.relabelled) > data.shown_of_each ? (
                <p className="soft">
                  The first {data.shown_of_each} of each. All of them:{" "}
                  <code>
                    cloister dataset diff {dataset}@{older} {dataset}@{newer}
                  </code>
                </p>
              ) : null}
            </>
          )}
        </>
      ) : error ? null : (
        <Loading of="the difference" />
      )}
    </Page>
  );
}
