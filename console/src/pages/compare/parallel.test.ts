import { expect, test } from "vitest";
import { placed } from "./parallel";

test("numbers lie where they are between the least and the most", () => {
  expect(placed({ name: "n", values: [0, "5", 10, undefined] }).parts).toEqual([
    0,
    0.5,
    1,
    null,
  ]);
});

test("what goes over powers of ten is spaced by them", () => {
  const { parts } = placed({ name: "rate", values: [0.001, 0.1, 10] });
  expect(parts.map((one) => Math.round((one ?? 0) * 100))).toEqual([0, 50, 100]);
});

test("words lie in their order, and one alone in the middle", () => {
  expect(placed({ name: "w", values: ["b", "a", "c"] }).parts).toEqual([0.5, 0, 1]);
  expect(placed({ name: "w", values: ["a", undefined] }).parts).toEqual([0.5, null]);
});
