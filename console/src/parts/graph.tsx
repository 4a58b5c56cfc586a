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
import { type ReactNode, useMemo } from "react";
import style from "./graph.module.css";

export interface GraphNode {
  id: string;
  width: number;
  height: number;
  content: ReactNode;
}

export interface GraphEdge {
  source: string;
  target: string;
  text?: string;
}

interface Props {
  /** What is drawn, for whoever does not see it. */
  label: string;
  nodes: readonly GraphNode[];
  edges: readonly GraphEdge[];
  /** From top to bottom, where there is more room that way. */
  down?: boolean;
}

type Drawn = Node<{ content: ReactNode; down: boolean }, "one">;
const TYPES = { one: One };
const [LEAST, MOST, AROUND] = [200, 640, 72];

/** Things and what came of what, in layers. What a node says may change; it stays where it is. */
export function Graph({ label, nodes, edges, down = false }: Props) {
  const shape = JSON.stringify([nodes.map(({ id, width, height }) => [id, width, height])]);
  const wires = JSON.stringify(edges);
  const layout = useMemo(() => placed(shape, wires, down), [shape, wires, down]);
  const drawn = nodes.map((node): Drawn => {
    const { x, y } = layout.places.get(node.id) ?? { x: 0, y: 0 };
    const { id, width, height, content } = node;
    return { id, type: "one", position: { x, y }, width, height, data: { content, down } };
  });
  const height = Math.min(MOST, Math.max(LEAST, layout.height + AROUND));
  return (
    <div className={style.graph} style={{ height }}>
      <ReactFlow
        key={String(down)} // placed in sight once more
        nodes={drawn}
        edges={layout.edges}
        nodeTypes={TYPES}
        fitView
        fitViewOptions={{ maxZoom: 1, padding: 0.08 }}
        minZoom={0.1}
        nodesDraggable={false}
        nodesConnectable={false}
        nodesFocusable={false}
        edgesFocusable={false}
        preventScrolling={false}
        zoomOnScroll={false}
        aria-label={label}
        proOptions={{ hideAttribution: true }}
      >
        <Background gap={24} />
        <Controls showInteractive={false} />
      </ReactFlow>
    </div>
  );
}

function One({ data: { content, down } }: NodeProps<Drawn>) {
  return (
    <>
      <Handle
        type="target"
        position={down ? Position.Top : Position.Left}
        isConnectable={false}
      />
      {content}
      <Handle
        type="source"
        position={down ? Position.Bottom : Position.Right}
        isConnectable={false}
      />
    </>
  );
}

interface Layout {
  places: Map<string, { x: number; y: number }>;
  edges: Edge[];
  height: number;
}

function placed(shape: string, wires: string, down: boolean): Layout {
  const [nodes] = JSON.parse(shape) as [[string, number, number][]];
  const edges = JSON.parse(wires) as GraphEdge[];
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: down ? "TB" : "LR", nodesep: 18, ranksep: down ? 34 : 54 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const [id, width, height] of nodes) graph.setNode(id, { width, height });
  for (const { source, target } of edges) graph.setEdge(source, target);
  dagre.layout(graph);
  return {
    places: new Map(
      nodes.map(([id, width, height]) => {
        const { x, y } = graph.node(id);
        return [id, { x: x - width / 2, y: y - height / 2 }];
      }),
    ),
    edges: edges.map(({ source, target, text }) => ({
      id: `${source} ${target}`,
      source,
      target,
      ...(text ? { label: text } : {}),
    })),
    height: graph.graph().height ?? 0,
  };
}
