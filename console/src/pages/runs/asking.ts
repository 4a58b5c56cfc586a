import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useRef } from "react";
import { get, type Listed } from "../../api/client";
import { useChange } from "../../shell/live";
import { meant, ordered } from "./asked";
import type { Asked, Column, RunRow, SavedView } from "./types";

export const A_PAGE = 50;

/** One page of the table. */
export function useRuns(asked: Asked, columns: readonly string[], after: string) {
  return useQuery({
    queryKey: ["runs", asked.filter, asked.order, asked.experiment, columns, after],
    queryFn: ({ signal }) =>
      get<Listed<RunRow>>(
        "/runs",
        {
          filter: meant(asked.filter),
          order: ordered(asked.order),
          column: columns,
          experiment: asked.experiment,
          limit: A_PAGE,
          after,
        },
        signal,
      ),
    placeholderData: keepPreviousData,
    retry: false,
  });
}

/** Names that a table can show; the commonest first. */
export function useColumns(filter: string, limit: number, kind = "") {
  return useQuery({
    queryKey: ["runs-columns", kind, filter, limit],
    queryFn: ({ signal }) =>
      get<{ items: Column[] }>("/runs-columns", { kind, filter, limit }, signal),
    placeholderData: keepPreviousData,
  });
}

export function useViews() {
  return useQuery({
    queryKey: ["runs-views"],
    queryFn: ({ signal }) => get<{ items: SavedView[] }>("/runs-views", {}, signal),
  });
}

/** Asks again for what stands under `key` when `topic` changes, but not more often than that. */
export function useCalmly(
  topic: string | null,
  key: readonly unknown[],
  every_ms = 1000,
): void {
  const queries = useQueryClient();
  const timer = useRef(0);
  const text = JSON.stringify(key);
  const then = useCallback(() => {
    if (timer.current) return;
    timer.current = window.setTimeout(() => {
      timer.current = 0;
      void queries.invalidateQueries({ queryKey: JSON.parse(text) });
    }, every_ms);
  }, [queries, text, every_ms]);
  useChange(topic, then);
}
