import { expect, test } from "vitest";
import { aligned, along, joined, type Kept, keyOf, since, smoothed } from "./series";
import type { Curve } from "./types";

function curve(times_ms: number[], more: Partial<Curve> = {}): Curve {
  const steps = times_ms.map((_, at) => at);
  const values = times_ms.map((time) => time / 10);
  return {
    run: "r",
    metric: "m",
    total: times_ms.length,
    whole: true,
    steps,
    times_ms,
    values,
    ...more,
  };
}

const key = keyOf({ run: "r", metric: "m" });

test("what came since is put behind what is there, once", () => {
  const first = joined(new Map(), [curve([10, 20, 30])]);
  expect(since(first, 100)).toBe(30);
  const more = curve([30, 40], { whole: false, total: 4, steps: [2, 3] });
  const both = joined(first, [more]).get(key) as Kept;
  expect(both.times_ms).toEqual([10, 20, 30, 40]);
  expect(both.stale).toBe(false);
});

test("points that came late, or a metric that is new, are asked for from the beginning", () => {
  const first = joined(new Map(), [curve([10, 20, 30])]);
  const late = joined(first, [curve([], { whole: false, total: 5 })]);
  expect(since(late, 100)).toBe(-1);
  const strange = joined(new Map(), [curve([40], { whole: false, total: 9 })]);
  expect(since(strange, 100)).toBe(-1);
});

test("a curve that has grown far beyond what a chart shows is thinned out again", () => {
  const first = joined(new Map(), [curve([10, 20, 30, 40])]);
  expect(since(first, 1)).toBe(-1);
});

test("of two points of one step the last holds, in order of the axis", () => {
  const one = curve([10, 20, 30], { steps: [2, 1, 1], values: [5, 6, 7] });
  expect(along(one, "step")).toEqual({ xs: [1, 2], ys: [7, 5] });
  expect(along(one, "relative").xs).toEqual([0, 0.01, 0.02]);
});

test("an average of one value is that value, and a gap stays one", () => {
  expect(smoothed([4, null, 4], 0.9).map((one) => one && Math.round(one * 1e9) / 1e9)).toEqual([
    4,
    null,
    4,
  ]);
  expect(smoothed([0, 10], 0)).toEqual([0, 10]);
});

test("lines of different places share one axis", () => {
  const lines = [
    { xs: [1, 3], ys: [10, 30] },
    { xs: [2, 3], ys: [5, null] },
  ];
  expect(aligned(lines)).toEqual([
    [1, 2, 3],
    [10, null, 30],
    [null, 5, null],
  ]);
});
