import { expect, test } from "vitest";
import { blocks, figures, inline } from "./markdown";

test("a page is headings, paragraphs, lists, tables and code", () => {
  const page =
    "# Ward\nTwo\nlines.\n\n- one\n- **two**\n\n|a|b|\n|-|-|\n|1|2|\n\n```sh\nls *\n```\n";
  expect(blocks(page).map((one) => one.kind)).toEqual([
    "heading",
    "paragraph",
    "list",
    "table",
    "code",
  ]);
  expect(blocks(page)[1]).toEqual({
    kind: "paragraph",
    inline: [{ kind: "text", text: "Two lines." }],
  });
});

test("HTML is text", () => {
  const evil = "<script>alert(1)</script> <img src=x onerror=alert(1)>";
  expect(blocks(evil)).toEqual([{ kind: "paragraph", inline: [{ kind: "text", text: evil }] }]);
});

test("links and pictures keep where they lead; who draws them decides", () => {
  expect(inline("a [b](/runs/x) ![c](loss.png)")).toEqual([
    { kind: "text", text: "a " },
    { kind: "link", text: "b", to: "/runs/x" },
    { kind: "text", text: " " },
    { kind: "image", text: "c", to: "loss.png" },
  ]);
});

test("a page that never closes its code, or is all marks, still ends", () => {
  expect(blocks("```\nnever")).toEqual([{ kind: "code", language: "", text: "never" }]);
  for (const odd of ["*".repeat(5000), "|".repeat(5000), "[".repeat(5000), "- ".repeat(5000)]) {
    expect(blocks(odd).length).toBeGreaterThan(0);
  }
});

test("figures are numbers in columns, or nothing", () => {
  expect(figures("epoch,loss\n1,0.5\n2,0.25")).toEqual({
    names: ["epoch", "loss"],
    columns: [
      [1, 2],
      [0.5, 0.25],
    ],
  });
  expect(figures("epoch,loss\n1,much")).toBeNull();
  expect(figures("<svg>")).toBeNull();
});
