import { Graph } from "../../parts/graph";
import { State } from "../../parts/state";
import { more } from "./more";
import style from "./pipelines.module.css";
import type { FlowPage, StepNode } from "./types";
import { took } from "./words";

const [WIDTH, HEIGHT] = [200, 78];

interface Props {
  of: FlowPage;
  chosen: string | null;
  onPick: (title: string) => void;
  down: boolean;
}

/** The steps and who waits for whom; each is a button that shows it by itself. */
export default function Drawing({ of, chosen, onPick, down }: Props) {
  return (
    <Graph
      label="Steps as a drawing; the list says the same"
      down={down}
      nodes={of.nodes.map((node) => ({
        id: node.id,
        width: WIDTH,
        height: HEIGHT,
        content: <One of={node} chosen={node.title === chosen} onPick={onPick} />,
      }))}
      edges={of.edges.map(([source, target]) => ({ source, target }))}
    />
  );
}

interface OneProps {
  of: StepNode;
  chosen: boolean;
  onPick: (title: string) => void;
}

function One({ of, chosen, onPick }: OneProps) {
  return (
    <button
      type="button"
      className={`${style.step} nopan`}
      data-state={of.state}
      aria-pressed={chosen}
      onClick={() => onPick(of.title)}
    >
      <span className={style.title}>{of.title}</span>
      <span className={style.line}>
        <State of={of.state} /> {took(of.started, of.finished)}
      </span>
      <span className={style.more}>{more(of)}</span>
    </button>
  );
}
