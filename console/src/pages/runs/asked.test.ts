import { expect, test } from "vitest";
import { meant, ordered, read, write } from "./asked";

test("words are looked for in names, ids are ids, and a filter stays as it is", () => {
  expect(meant(" resnet ")).toBe("attributes.run_name ILIKE '%resnet%'");
  expect(meant("it's")).toBe("attributes.run_name ILIKE '%it''s%'");
  expect(meant("run_abc")).toBe("attributes.run_id LIKE 'run_abc%'");
  expect(meant("metrics.loss < 1")).toBe("metrics.loss < 1");
  expect(meant("")).toBe("");
});

test("the head of a column is an order of the grammar", () => {
  expect(ordered("-metrics.val/loss 1")).toBe("metrics.`val/loss 1` DESC");
  expect(ordered("attributes.start_time")).toBe("attributes.`start_time` ASC");
  expect(ordered("")).toBe("");
});

test("what is asked for survives the address", () => {
  const asked = {
    filter: "a = 'b&c'",
    order: "-metrics.a",
    columns: ["metrics.a", "tags.b"],
    experiment: "x",
  };
  expect(read(write(asked))).toEqual(asked);
  expect(write(read(""))).toBe("");
});
