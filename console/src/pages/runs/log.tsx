import { useCallback, useEffect, useRef, useState } from "react";
import { get } from "../../api/client";
import { Button, Check } from "../../parts/form";
import { Empty, Failure, Loading } from "../../parts/note";
import { Bar } from "../../parts/page";
import { bytes } from "../../parts/say";
import { useChange } from "../../shell/live";
import style from "./run.module.css";
import type { LogPart } from "./types";

const AT_ONCE = 64 << 10;
const KEPT = 512 << 10;
const LOOKS_MS = 1000;

/** What the command printed: its end, which goes on while the run does. */
export function Log({ run, running }: { run: string; running: boolean }) {
  const [part, setPart] = useState<LogPart | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [follow, setFollow] = useState(true);
  const box = useRef<HTMLPreElement>(null);
  const now = useRef<LogPart | null>(null);
  const asking = useRef(false);

  const keep = useCallback((made: LogPart) => {
    now.current = made;
    setPart(made);
    setError(null);
  }, []);
  const more = useCallback(async () => {
    if (asking.current) return;
    asking.current = true;
    try {
      const had = now.current;
      const query = { most: AT_ONCE, ...(had ? { from: had.end } : {}) };
      const came = await get<LogPart>(`/runs/${run}/log`, query);
      if (had === null) keep(came);
      else if (came.text || came.done !== had.done) {
        const text = (had.text + came.text).slice(-KEPT);
        keep({ ...came, start: had.start, text });
      }
    } catch (failure) {
      setError(failure);
    }
    asking.current = false;
  }, [run, keep]);
  const before = async () => {
    const had = now.current;
    if (!had || had.start === 0) return;
    const from = Math.max(0, had.start - AT_ONCE);
    const came = await get<LogPart>(`/runs/${run}/log`, { from, most: had.start - from });
    setFollow(false);
    keep({ ...had, start: came.start, text: came.text + had.text });
  };

  useEffect(() => {
    now.current = null;
    setPart(null);
    void more();
  }, [more]);
  useEffect(() => {
    if (!running) {
      void more();
      return undefined;
    }
    const timer = window.setInterval(() => void more(), LOOKS_MS);
    return () => window.clearInterval(timer);
  }, [running, more]);
  useChange(
    `run:${run}`,
    useCallback(() => void more(), [more]),
  );
  useEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [part, follow]);

  if (error && !part) return <Failure error={error} again={() => void more()} />;
  if (!part) return <Loading of="the log" lines={8} />;
  if (!part.text)
    return (
      <Empty title={part.done ? "It printed nothing" : "It has printed nothing yet"}>
        {part.done ? null : <p>What it prints shows here as it comes.</p>}
      </Empty>
    );
  return (
    <>
      <Bar>
        <Check
          label="Follow its end"
          checked={follow}
          onChange={(event) => setFollow(event.target.checked)}
        />
        {part.start > 0 ? (
          <Button small plain onClick={() => void before()}>
            {`Show more before (${bytes(part.start)})`}
          </Button>
        ) : null}
        <span className="soft number">{`${bytes(part.size_bytes)}${part.done ? "" : ", still running"}`}</span>
      </Bar>
      {error ? <Failure error={error} again={() => void more()} /> : null}
      <pre
        ref={box}
        className={style.log}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keyboard
        tabIndex={0}
        role="log"
        aria-live="off"
        aria-label="Log"
      >
        {part.text}
      </pre>
    </>
  );
}
