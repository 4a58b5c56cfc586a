import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { Link } from "wouter";
import { get } from "../../api/client";
import type { Lineage, LineNode } from "../../api/models";
import { Button } from "../../parts/form";
import { Badge, Failure, Loading } from "../../parts/note";
import { Bar, Page } from "../../parts/page";
import { Table } from "../../parts/table";
import { useLive } from "../../shell/live";
import { toneOf } from "./tone";

const Graph = lazy(() => import("./graph"));
const KINDS: Record<string, string> = {
  version: "Lineage of a dataset version",
  run: "Lineage of a run",
  model: "Lineage of a model",
  deployment: "Lineage of a deployment",
  subject: "What came of one patient",
};

/** Whose data went in, what came of it: as a drawing, and as a list that says the same. */
export default function LineageView({ params }: { params: Readonly<Record<string, string>> }) {
  const { kind = "", name = "" } = params;
  const [drawn, setDrawn] = useState(() => window.innerWidth > 720);
  const { data, error, refetch } = useQuery({
    queryKey: ["lineage", kind, name],
    queryFn: () =>
      get<Lineage>(`/lineage/${encodeURIComponent(kind)}/${encodeURIComponent(name)}`),
  });
  useLive("models", ["lineage", kind, name]);
  const title = name.length > 40 ? `${name.slice(0, 16)}…` : name;
  return (
    <Page
      title={title}
      kind={KINDS[kind] ?? "Lineage"}
      about="From whose data it is, on the left, to what was answered with it, on the right."
    >
      {error ? <Failure error={error} again={() => void refetch()} /> : null}
      {data ? (
        <>
          <Bar>
            <Button plain small aria-pressed={drawn} onClick={() => setDrawn(true)}>
              Drawing
            </Button>
            <Button plain small aria-pressed={!drawn} onClick={() => setDrawn(false)}>
              List
            </Button>
          </Bar>
          {drawn ? (
            <Suspense fallback={<Loading of="the drawing" />}>
              <Graph of={data} />
            </Suspense>
          ) : (
            <List of={data} />
          )}
        </>
      ) : error ? null : (
        <Loading of="the lineage" />
      )}
    </Page>
  );
}

function List({ of }: { of: Lineage }) {
  const titles = new Map(of.nodes.map((node) => [node.id, node.title]));
  const from = (node: LineNode) =>
    of.edges
      .filter((edge) => edge.target === node.id)
      .map(
        (edge) =>
          `${titles.get(edge.source) ?? edge.source}${edge.text ? ` (${edge.text})` : ""}`,
      )
      .join(", ");
  const rows = [...of.nodes].sort((one, other) => one.column - other.column);
  return (
    <Table
      caption="Everything on the line, from data to predictions"
      rows={rows}
      id={(node) => node.id}
      chosen={of.focus}
      columns={[
        { key: "kind", title: "What", cell: (node) => node.kind },
        {
          key: "title",
          title: "Which",
          wide: true,
          cell: (node) => (
            <>
              {node.link ? <Link href={node.link}>{node.title}</Link> : node.title}{" "}
              {node.mark ? <Badge kind={toneOf(node.mark)}>{node.mark}</Badge> : null}
            </>
          ),
        },
        {
          key: "facts",
          title: "More",
          minor: true,
          cell: (node) => node.facts.map(([fact, value]) => `${fact} ${value}`).join(", "),
        },
        { key: "from", title: "Made of", cell: from },
      ]}
    />
  );
}
