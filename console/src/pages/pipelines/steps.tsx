import { Link } from "wouter";
import { State } from "../../parts/state";
import { Table } from "../../parts/table";
import { more } from "./more";
import type { FlowPage, StepNode } from "./types";
import { took } from "./words";

interface Props {
  of: FlowPage;
  chosen: string | null;
  onPick: (title: string) => void;
}

/** The steps as a list; says the same as the drawing. */
export function Steps({ of, chosen, onPick }: Props) {
  const titles = new Map(of.nodes.map((node) => [node.id, node.title]));
  const waits = (node: StepNode) =>
    of.edges
      .filter(([, target]) => target === node.id)
      .map(([source]) => titles.get(source) ?? source)
      .join(", ");
  return (
    <Table
      caption="Steps"
      rows={of.nodes}
      id={(node) => node.id}
      chosen={of.nodes.find((node) => node.title === chosen)?.id ?? null}
      columns={[
        {
          key: "title",
          title: "Step",
          wide: true,
          cell: (node) =>
            of.grouped ? (
              node.title
            ) : (
              <button
                type="button"
                className="link"
                aria-pressed={node.title === chosen}
                onClick={() => onPick(node.title)}
              >
                {node.title}
              </button>
            ),
        },
        { key: "state", title: "State", cell: (node) => <State of={node.state} /> },
        {
          key: "took",
          title: "Took",
          number: true,
          tight: true,
          cell: (node) => took(node.started, node.finished),
        },
        { key: "more", title: "More", minor: true, cell: more },
        { key: "waits", title: "Waits for", minor: true, cell: waits },
        {
          key: "run",
          title: "Run",
          minor: true,
          cell: (node) =>
            node.run ? <Link href={`/runs/${node.run}`}>{node.run}</Link> : null,
        },
      ]}
    />
  );
}
