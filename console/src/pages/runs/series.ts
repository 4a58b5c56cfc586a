/** Curves as they are kept, joined with what came since, and laid out for a chart. */
import type { Curve } from "./types";

export type Axis = "step" | "time" | "relative";

export interface Kept extends Curve {
  /** Logged at or before this, it is here already. */
  newest_ms: number;
  /** Points came that are not here: all of it has to be asked for again. */
  stale: boolean;
}

export function keyOf(one: { run: string; metric: string }): string {
  return `${one.run}\n${one.metric}`;
}

/** What is kept, with what an answer brought. */
export function joined(kept: Map<string, Kept>, came: Curve[]): Map<string, Kept> {
  const made = new Map(kept);
  for (const one of came) {
    const key = keyOf(one);
    made.set(key, one.whole ? whole(one) : longer(kept.get(key), one));
  }
  return made;
}

function whole(one: Curve): Kept {
  return { ...one, newest_ms: Math.max(-1, ...one.times_ms), stale: false };
}

function longer(kept: Kept | undefined, more: Curve): Kept {
  if (!kept) return { ...whole(more), stale: more.total !== more.steps.length };
  const fresh = more.times_ms
    .map((time, at) => (time > kept.newest_ms ? at : -1))
    .filter((at) => at >= 0);
  const taken = <T>(column: readonly T[]) => fresh.map((at) => column[at] as T);
  const times_ms = [...kept.times_ms, ...taken(more.times_ms)];
  return {
    ...kept,
    total: more.total,
    steps: [...kept.steps, ...taken(more.steps)],
    times_ms,
    values: [...kept.values, ...taken(more.values)],
    newest_ms: Math.max(kept.newest_ms, ...taken(more.times_ms)),
    stale: kept.stale || kept.total + fresh.length !== more.total,
  };
}

/** From where on what came since is asked for; -1 for all of it. */
export function since(kept: Map<string, Kept>, most: number): number {
  const all = [...kept.values()];
  if (all.length === 0 || all.some((one) => one.stale || one.steps.length > 3 * most))
    return -1;
  return Math.min(...all.map((one) => one.newest_ms));
}

export interface Line {
  xs: number[];
  ys: (number | null)[];
}

/** A curve along an axis: steps, seconds since 1970, or seconds since its run began. */
export function along(one: Curve, axis: Axis): Line {
  const first = one.times_ms.length ? Math.min(...one.times_ms) : 0;
  const order = one.steps.map((_, at) => at);
  const x = (at: number) => {
    const time = one.times_ms[at] as number;
    if (axis === "step") return one.steps[at] as number;
    return axis === "time" ? time / 1000 : (time - first) / 1000;
  };
  order.sort((a, b) => x(a) - x(b));
  const xs: number[] = [];
  const ys: (number | null)[] = [];
  for (const at of order) {
    // Of several points of one place the last holds: a chart has one value there.
    if (xs.at(-1) === x(at)) ys[ys.length - 1] = one.values[at] ?? null;
    else {
      xs.push(x(at));
      ys.push(one.values[at] ?? null);
    }
  }
  return { xs, ys };
}

/** An exponential moving average, without the pull of where it begins (Kingma and Ba 2015, 3). */
export function smoothed(
  values: readonly (number | null)[],
  weight: number,
): (number | null)[] {
  let sum = 0;
  let told = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = sum * weight + value * (1 - weight);
    told = told * weight + (1 - weight);
    return told ? sum / told : value;
  });
}

/** Several lines over all their places; null where a line has none. */
export function aligned(lines: readonly Line[]): [number[], ...(number | null)[][]] {
  const places = [...new Set(lines.flatMap((line) => line.xs))].sort((a, b) => a - b);
  const at = new Map(places.map((place, number) => [place, number]));
  const columns = lines.map((line) => {
    const column: (number | null)[] = new Array(places.length).fill(null);
    line.xs.forEach((x, number) => {
      column[at.get(x) as number] = line.ys[number] ?? null;
    });
    return column;
  });
  return [places, ...columns];
}
