import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { get, type Listed } from "../../api/client";
import type { Model } from "../../api/models";
import { Filter } from "../../parts/filter";
import { Badge, Empty, Failure, Loading } from "../../parts/note";
import { Bar, Page } from "../../parts/page";
import { bytes, count, Moment } from "../../parts/say";
import { Table } from "../../parts/table";
import { useLive } from "../../shell/live";
import { Proof } from "./proof";

interface Registered {
  name: string;
  versions: number;
  proved: number;
}

/** Every model, and whether what made it can be proved. */
export default function Models() {
  const [filter, setFilter] = useState("");
  const { data, error, refetch } = useQuery({
    queryKey: ["models"],
    queryFn: () => get<Listed<Model> & { registered: Registered[] }>("/models"),
  });
  useLive("models", ["models"]);
  const wanted = filter.trim();
  const rows = (data?.items ?? []).filter((one) =>
    [one.sha256, one.run, ...one.inputs, ...one.names.map((name) => name.name)].some((text) =>
      text.includes(wanted),
    ),
  );
  const unproved = (data?.registered ?? []).filter((one) => one.proved < one.versions);
  return (
    <Page title="Models" about="What runs left, what made each, and where it answers.">
      {error ? <Failure error={error} again={() => void refetch()} /> : null}
      {data ? (
        data.items.length === 0 ? (
          <Empty title="No model yet">
            <p>
              A run that leaves an ONNX file leaves a model:{" "}
              <code>cloister run -- python train.py --data ./scans</code>
            </p>
          </Empty>
        ) : (
          <>
            <Bar>
              <Filter label="Name, digest, run or data" value={filter} onChange={setFilter} />
            </Bar>
            <Table
              caption="Models"
              rows={rows}
              id={(one) => `${one.sha256} ${one.run}`}
              columns={[
                {
                  key: "name",
                  title: "Model",
                  wide: true,
                  cell: (one) => (
                    <>
                      <Link href={`/models/${one.sha256}`}>
                        {one.names[0]
                          ? `${one.names[0].name} v${one.names[0].version}`
                          : one.sha256.slice(0, 12)}
                      </Link>{" "}
                      {one.names.flatMap((name) =>
                        name.aliases.map((alias) => <Badge key={alias}>{alias}</Badge>),
                      )}
                    </>
                  ),
                },
                { key: "proof", title: "Proof", cell: (one) => <Proof of={one} /> },
                {
                  key: "data",
                  title: "Learned from",
                  cell: (one) => one.inputs.join(", ") || <span className="soft">no data</span>,
                },
                {
                  key: "made",
                  title: "Made",
                  tight: true,
                  minor: true,
                  cell: (one) => <Moment at={one.made} />,
                },
                {
                  key: "deployed",
                  title: "Answers",
                  minor: true,
                  cell: (one) =>
                    one.deployed ? (
                      <Badge kind="good">in {count(one.deployed)}</Badge>
                    ) : (
                      <span className="soft">nowhere</span>
                    ),
                },
                {
                  key: "predictions",
                  title: "Predictions",
                  number: true,
                  cell: (one) => count(one.predictions),
                },
                {
                  key: "size",
                  title: "Size",
                  number: true,
                  tight: true,
                  minor: true,
                  cell: (one) => bytes(one.size_bytes),
                },
              ]}
            />
          </>
        )
      ) : error ? null : (
        <Loading of="the list of models" />
      )}
      {unproved.length ? (
        <>
          <h2>Names in the registry without a proof</h2>
          <Table
            caption="Names without a proof"
            rows={unproved}
            id={(one) => one.name}
            columns={[
              { key: "name", title: "Name", wide: true, cell: (one) => one.name },
              {
                key: "versions",
                title: "Versions",
                number: true,
                cell: (one) => count(one.versions),
              },
              {
                key: "proved",
                title: "Made in the fence",
                number: true,
                cell: (one) => count(one.proved),
              },
            ]}
          />
        </>
      ) : null}
    </Page>
  );
}
