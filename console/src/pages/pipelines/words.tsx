import { Link } from "wouter";
import { Badge } from "../../parts/note";
import { Moment, span } from "../../parts/say";
import style from "./pipelines.module.css";
import type { FlowLine, ScheduleLine } from "./types";

/** Since when it waits and what for, where it does. */
export function Waits({ of }: { of: FlowLine }) {
  if (of.waiting === null) return null;
  return (
    <span className="soft">
      since <Moment at={of.waiting} />: {of.waits}
    </span>
  );
}

/** How long it took, or takes; nothing for what never began. */
export function took(started: string | null, ended: string | null): string {
  if (started === null) return "";
  const until = ended === null ? Date.now() : Date.parse(ended);
  return span(Math.max(0, until - Date.parse(started)));
}

/** The last runs, oldest first, as marks that lead to them. */
export function Recent({ of }: { of: readonly FlowLine[] }) {
  return (
    <span className={style.recent}>
      {[...of].reverse().map((one) => (
        <Link
          key={one.flow}
          href={`/flows/${one.flow}`}
          className={style.mark as string}
          data-state={one.state}
          aria-label={`${one.state}, ${one.started.slice(0, 16).replace("T", " ")} UTC`}
          title={`${one.state}, ${one.started.slice(0, 16).replace("T", " ")} UTC`}
        />
      ))}
    </span>
  );
}

/** When it starts next, and what for. */
export function Next({ of }: { of: ScheduleLine | null }) {
  if (of === null) return <span className="soft">when somebody asks</span>;
  if (of.paused !== null)
    return (
      <span className={style.next}>
        <span>
          <Badge kind="warn">paused</Badge> <Moment at={of.paused} />
        </span>
        <span className="soft">{of.because}</span>
      </span>
    );
  return (
    <span className={style.next}>
      {of.next ? <Moment at={of.next} /> : <span>when there is</span>}
      <span className="soft">{of.because}</span>
    </span>
  );
}
