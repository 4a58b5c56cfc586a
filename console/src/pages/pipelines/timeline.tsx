import { useEffect, useState } from "react";
import { Link } from "wouter";
import { Empty } from "../../parts/note";
import { span } from "../../parts/say";
import style from "./pipelines.module.css";
import { ticks } from "./ticks";
import type { AttemptBar, FlowPage } from "./types";

const LEAST = 0.3; // percent: what took no time is seen still

/** When each step ran: one row a step, time from left to right; what was reused is thin. */
export function Timeline({ of }: { of: FlowPage }) {
  const running = of.line.finished === null;
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!running) return undefined;
    const timer = window.setInterval(() => setNow(Date.now()), 1000);
    return () => window.clearInterval(timer);
  }, [running]);
  const bars = new Map<string, AttemptBar[]>();
  for (const bar of of.bars) bars.set(bar.node, [...(bars.get(bar.node) ?? []), bar]);
  const begun = Date.parse(of.line.started);
  const until = of.line.finished ? Date.parse(of.line.finished) : now;
  const length = Math.max(1, until - begun);
  const part = (at: number) => Math.min(100, Math.max(0, ((at - begun) / length) * 100));
  if (of.nodes.length === 0) return <Empty title="It has no steps" />;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keyboard
    <section className={style.timeline} aria-label="Steps in time" tabIndex={0}>
      <div className={style.scale} aria-hidden="true">
        {ticks(length).map((at) => (
          <span key={at} style={{ left: `${(at / length) * 100}%` }}>
            {span(at)}
          </span>
        ))}
      </div>
      <ul>
        {of.nodes.map((node) => (
          <li key={node.id}>
            <span className={style.row} title={node.title}>
              {node.title}
            </span>
            <span className={style.track}>
              {(bars.get(node.id) ?? []).map((bar) => (
                <One key={bar.run} of={bar} part={part} until={until} />
              ))}
              {node.state === "reused" ? (
                <span className={style.thin}>
                  <span>reused</span>
                </span>
              ) : null}
              {node.calls === 0 ? <span className={style.none}>{node.state}</span> : null}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

interface OneProps {
  of: AttemptBar;
  part: (at: number) => number;
  until: number;
}

function One({ of, part, until }: OneProps) {
  const begun = Date.parse(of.started);
  const ended = of.finished ? Date.parse(of.finished) : until;
  const left = Math.min(part(begun), 100 - LEAST);
  const width = Math.max(LEAST, part(ended) - left);
  const said = `${of.name}: ${of.state}, ${span(Math.max(0, ended - begun))}`;
  return (
    <Link
      href={`/runs/${of.run}`}
      className={style.bar as string}
      data-state={of.state}
      style={{ left: `${left}%`, width: `${width}%` }}
      aria-label={said}
      title={said}
    />
  );
}
