import dagre from "@dagrejs/dagre";
import {
  Background,
  Controls,
  type Edge,
  Handle,
  type Node,
  type NodeProps,
  Position,
  ReactFlow,
} from "@xyflow/react";
import "@xyflow/react/dist/base.css";
import { useMemo } from "react";
import { Link } from "wouter";
import type { Lineage, LineNode } from "../../api/models";
import { Badge } from "../../parts/note";
import style from "./lineage.module.css";
import { toneOf } from "./tone";

const [WIDTH, LINE, HEAD] = [216, 20, 62];
type Drawn = Node<{ of: LineNode; focus: boolean }, "one">;

/** The line as a drawing; each thing on it leads to its page. */
export default function Graph({ of }: { of: Lineage }) {
  const { nodes, edges } = useMemo(() => placed(of), [of]);
  return (
    <div className={style.graph}>
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={{ one: One }}
        fitView
        fitViewOptions={{ maxZoom: 1, padding: 0.08 }}
        minZoom={0.1}
        nodesDraggable={false}
        nodesConnectable={false}
        nodesFocusable={false}
        edgesFocusable={false}
        preventScrolling={false}
        zoomOnScroll={false}
        aria-label="Lineage as a drawing; the list says the same"
        proOptions={{ hideAttribution: true }}
      >
        <Background gap={24} />
        <Controls showInteractive={false} />
      </ReactFlow>
    </div>
  );
}

function One({ data: { of, focus } }: NodeProps<Drawn>) {
  return (
    <div className={style.node} data-focus={focus} data-many={of.count > 1}>
      <Handle type="target" position={Position.Left} isConnectable={false} />
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
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </div>
  );
}

/** Left to right by what came of what. */
function placed(of: Lineage): { nodes: Drawn[]; edges: Edge[] } {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 18, ranksep: 54 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of of.nodes) {
    graph.setNode(node.id, { width: WIDTH, height: HEAD + LINE * node.facts.length });
  }
  for (const edge of of.edges) graph.setEdge(edge.source, edge.target);
  dagre.layout(graph);
  const nodes = of.nodes.map((node): Drawn => {
    const { x, y, width, height } = graph.node(node.id);
    return {
      id: node.id,
      type: "one",
      position: { x: x - width / 2, y: y - height / 2 },
      width,
      height,
      data: { of: node, focus: node.id === of.focus },
    };
  });
  const edges = of.edges.map((edge) => ({
    id: `${edge.source} ${edge.target}`,
    source: edge.source,
    target: edge.target,
    ...(edge.text ? { label: edge.text } : {}),
  }));
  return { nodes, edges };
}
