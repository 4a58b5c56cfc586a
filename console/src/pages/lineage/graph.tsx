import { Link } from "wouter";
import type { Lineage, LineNode } from "../../api/models";
import { Graph } from "../../parts/graph";
import { Badge } from "../../parts/note";
import style from "./lineage.module.css";
import { toneOf } from "./tone";

const [WIDTH, LINE, HEAD] = [216, 20, 62];

/** The line as a drawing, left to right by what came of what; each thing leads to its page. */
export default function LineageGraph({ of }: { of: Lineage }) {
  return (
    <Graph
      label="Lineage as a drawing; the list says the same"
      nodes={of.nodes.map((node) => ({
        id: node.id,
        width: WIDTH,
        height: HEAD + LINE * node.facts.length,
        content: <One of={node} focus={node.id === of.focus} />,
      }))}
      edges={of.edges}
    />
  );
}

function One({ of, focus }: { of: LineNode; focus: boolean }) {
  return (
    <div className={style.node} data-focus={focus} data-many={of.count > 1}>
      <p className={style.kind}>{of.kind}</p>
      <p className={style.title}>
        {of.link ? <Link href={of.link}>{of.title}</Link> : of.title}{" "}
        {of.mark ? <Badge kind={toneOf(of.mark)}>{of.mark}</Badge> : null}
      </p>
      {of.facts.map(([name, value]) => (
        <p key={name} className={style.fact}>
          <span>{name}</span> {value}
        </p>
      ))}
    </div>
  );
}
