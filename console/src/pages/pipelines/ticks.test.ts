import { expect, test } from "vitest";
import { ticks } from "./ticks";

test.each([40, 900, 61_000, 7_200_000, 3_000_000_000])(
  "%i ms has a few round ticks",
  (length) => {
    const found = ticks(length);
    expect(found[0]).toBe(0);
    expect(found.length).toBeGreaterThan(2);
    expect(found.length).toBeLessThan(8);
    expect(Math.max(...found)).toBeLessThan(length);
  },
);
