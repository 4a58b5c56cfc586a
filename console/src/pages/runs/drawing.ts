import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { get } from "../../api/client";
import { useChanges } from "../../shell/live";
import { joined, type Kept, since } from "./series";
import type { Curve } from "./types";

const MOST = 800;
const STALE_MS = 3000;

export interface Curves {
  kept: Map<string, Kept>;
  pending: boolean;
  error: unknown;
  again: () => void;
}

/** Curves of these runs and metrics, which go on as points are logged.
 *
 * One request at a time: what changed while it was under way is asked for once it is over. */
export function useCurves(runs: readonly string[], metrics: readonly string[]): Curves {
  const [kept, setKept] = useState(new Map<string, Kept>());
  const [pending, setPending] = useState(true);
  const [error, setError] = useState<unknown>(null);
  const now = useRef(kept);
  const asking = useRef(false);
  const more = useRef(false);
  const wholeAt = useRef(0);
  const what = JSON.stringify([runs, metrics]);
  const asked = useRef(what);
  asked.current = what;

  const ask = useCallback(async () => {
    if (asking.current) {
      more.current = true;
      return;
    }
    const [run, metric] = JSON.parse(asked.current) as [string[], string[]];
    if (run.length === 0 || metric.length === 0) {
      setPending(false);
      return;
    }
    asking.current = true;
    const began = asked.current;
    try {
      let since_ms = since(now.current, MOST);
      if (since_ms < 0 && now.current.size && Date.now() - wholeAt.current < STALE_MS)
        since_ms = Math.min(...[...now.current.values()].map((one) => one.newest_ms));
      if (since_ms < 0) wholeAt.current = Date.now();
      const query = { run, metric, most: MOST, ...(since_ms < 0 ? {} : { since_ms }) };
      const { items } = await get<{ items: Curve[] }>("/curves", query);
      if (began === asked.current) {
        now.current = joined(now.current, items);
        setKept(now.current);
        setError(null);
      }
    } catch (failure) {
      if (began === asked.current) setError(failure);
    }
    asking.current = false;
    setPending(false);
    if (more.current || began !== asked.current) {
      more.current = false;
      void ask();
    }
  }, []);

  useEffect(() => {
    now.current = new Map();
    setKept(now.current);
    setPending(true);
    void ask();
  }, [what, ask]);
  useChanges(
    useMemo(() => runs.map((run) => `run:${run}`), [runs]),
    ask,
  );
  const queries = useQueryClient();
  useEffect(
    () =>
      queries.getQueryCache().subscribe((event) => {
        // The service was away and is back: everything shown is asked for again.
        if (
          event.type === "updated" &&
          event.action.type === "invalidate" &&
          event.query.queryKey[0] === "me"
        )
          void ask();
      }),
    [queries, ask],
  );
  return { kept, pending, error, again: ask };
}
