import { useQueryClient } from "@tanstack/react-query";
import {
  createContext,
  type ReactNode,
  useContext,
  useEffect,
  useMemo,
  useSyncExternalStore,
} from "react";
import { address } from "../api/client";

export type State = "waiting" | "live" | "away";
type Told = (at: number) => void;

/** One stream of changes for the whole page, however many parts of it look on.
 *
 * Closed while the page is hidden: browsers allow six connections to one host. What changed
 * meanwhile is told when it is open again, for the service is asked since when. */
class Stream {
  private told = new Map<string, Set<Told>>();
  private source: EventSource | null = null;
  private open = "";
  private timer = 0;
  private fails = 0;
  private boot = "";
  private listeners = new Set<() => void>();
  state: State = "waiting";
  onRestart = () => {};

  constructor(private at: number) {}

  /** Calls `then` when something of `topic` changed; gives what ends that. */
  on(topic: string, then: Told): () => void {
    const set = this.told.get(topic) ?? new Set();
    this.told.set(topic, set.add(then));
    this.settle();
    return () => {
      set.delete(then);
      if (set.size === 0) this.told.delete(topic);
      this.settle();
    };
  }

  subscribe = (then: () => void) => {
    this.listeners.add(then);
    return () => this.listeners.delete(then);
  };

  snapshot = () => this.state;

  /** Opens what is to be open, after whatever else happens in this moment. */
  settle = (wait_ms = 30) => {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.connect(), wait_ms);
  };

  close() {
    window.clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
    this.open = "";
  }

  private connect() {
    const topics = [...this.told.keys()].sort().join(",");
    if (document.hidden || topics === "") {
      this.close();
      return;
    }
    if (topics === this.open && this.source?.readyState !== EventSource.CLOSED) return;
    this.close();
    this.open = topics;
    const source = new EventSource(address("/live", { topics, since: this.at }));
    this.source = source;
    source.addEventListener("hello", (event) => this.greeted(JSON.parse(event.data)));
    source.addEventListener("change", (event) => this.changed(JSON.parse(event.data)));
    source.addEventListener("over", () => this.lost());
    source.onerror = () => this.lost();
  }

  private greeted({ boot, at }: { boot: string; at: number }) {
    this.fails = 0;
    const restarted = (this.boot !== "" && this.boot !== boot) || at < this.at;
    this.boot = boot;
    this.at = Math.max(this.at, at);
    const back = this.state === "away";
    this.set("live");
    if (restarted || back) this.onRestart();
  }

  private changed({ topic, at }: { topic: string; at: number }) {
    this.at = Math.max(this.at, at);
    for (const then of this.told.get(topic) ?? []) then(at);
  }

  private lost() {
    this.close();
    this.fails += 1;
    if (this.fails > 1) this.set("away");
    this.settle(Math.min(5000, 250 * 2 ** Math.min(this.fails, 5)));
  }

  private set(state: State) {
    if (this.state === state) return;
    this.state = state;
    for (const then of this.listeners) then();
  }
}

const Live = createContext<Stream | null>(null);

/** Holds the stream; once the service is back, everything shown is asked for again. */
export function LiveProvider({ at, children }: { at: number; children: ReactNode }) {
  const queries = useQueryClient();
  const stream = useMemo(() => new Stream(at), []);
  useEffect(() => {
    stream.onRestart = () => void queries.invalidateQueries();
    const look = () => stream.settle();
    document.addEventListener("visibilitychange", look);
    stream.settle();
    return () => {
      document.removeEventListener("visibilitychange", look);
      stream.close();
    };
  }, [stream, queries]);
  return <Live.Provider value={stream}>{children}</Live.Provider>;
}

/** Calls `then` whenever something of `topic` changed; nothing for null. */
export function useChange(topic: string | null, then: Told): void {
  const stream = useContext(Live);
  useEffect(() => {
    if (stream && topic) return stream.on(topic, then);
    return undefined;
  }, [stream, topic, then]);
}

/** Calls `then` whenever something of one of the topics changed. */
export function useChanges(topics: readonly string[], then: () => void): void {
  const stream = useContext(Live);
  const text = topics.join(",");
  useEffect(() => {
    if (!stream || !text) return undefined;
    const ends = text.split(",").map((topic) => stream.on(topic, then));
    return () => {
      for (const end of ends) end();
    };
  }, [stream, text, then]);
}

/** Asks again for what stands under `key` whenever something of `topic` changed. */
export function useLive(topic: string | null, key: readonly unknown[]): void {
  const queries = useQueryClient();
  const text = JSON.stringify(key);
  const then = useMemo(
    () => () => void queries.invalidateQueries({ queryKey: JSON.parse(text) }),
    [queries, text],
  );
  useChange(topic, then);
}

/** Whether changes arrive. */
export function useLiveState(): State {
  const stream = useContext(Live);
  return useSyncExternalStore(
    stream?.subscribe ?? (() => () => {}),
    stream?.snapshot ?? (() => "waiting"),
  );
}
