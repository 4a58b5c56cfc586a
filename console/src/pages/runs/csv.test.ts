import { expect, test } from "vitest";
import { cells } from "./csv";

test("quotes, commas and line ends inside of them stay", () => {
  expect(cells('a,b\r\n"x, ""y""","1\n2"\n', ",", 9)).toEqual([
    ["a", "b"],
    ['x, "y"', "1\n2"],
  ]);
});

test("no more rows than were asked for, and none that is cut off", () => {
  expect(cells("a\nb\nc", ",", 2)).toEqual([["a"], ["b"]]);
  expect(cells("a,b\n1,2\n3,", ",", 9)).toEqual([
    ["a", "b"],
    ["1", "2"],
  ]);
  expect(cells("only", ",", 9)).toEqual([["only"]]);
});
