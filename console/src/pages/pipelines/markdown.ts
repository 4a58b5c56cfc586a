/** The part of CommonMark that result pages are written in, as values: nothing of it is HTML. */

export type Inline =
  | { kind: "text" | "code" | "strong" | "em"; text: string }
  | { kind: "link" | "image"; text: string; to: string };

export type Block =
  | { kind: "heading"; level: number; inline: Inline[] }
  | { kind: "paragraph"; inline: Inline[] }
  | { kind: "list"; ordered: boolean; items: Inline[][] }
  | { kind: "table"; head: Inline[][]; rows: Inline[][][] }
  | { kind: "code"; language: string; text: string };

const INLINE =
  /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|(!?)\[([^\]]*)\]\(([^()\s]+)\)|\\([\\`*[\]!#|-])/g;
const ITEM = /^\s{0,3}(?:[-*+]|(\d{1,9})[.)])\s+(.*)$/;
const RULE = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

/** The blocks of a page. */
export function blocks(text: string): Block[] {
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  const found: Block[] = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at] as string;
    const fence = line.match(/^```\s*(\S*)\s*$/);
    const heading = line.match(/^(#{1,6})\s+(.*?)\s*#*\s*$/);
    if (fence) {
      const end = lines.findIndex((one, place) => place > at && /^```\s*$/.test(one));
      const until = end < 0 ? lines.length : end;
      const inside = lines.slice(at + 1, until).join("\n");
      found.push({ kind: "code", language: fence[1] ?? "", text: inside });
      at = until + 1;
    } else if (heading) {
      const [, marks = "", words = ""] = heading;
      found.push({ kind: "heading", level: marks.length, inline: inline(words) });
      at += 1;
    } else if (ITEM.test(line)) {
      const end = until(lines, at, (one) => !ITEM.test(one));
      const items = lines.slice(at, end).map((one) => inline(one.match(ITEM)?.[2] ?? ""));
      found.push({ kind: "list", ordered: line.match(ITEM)?.[1] !== undefined, items });
      at = end;
    } else if (line.includes("|") && RULE.test(lines[at + 1] ?? "")) {
      const end = until(lines, at + 2, (one) => !one.includes("|"));
      const rows = lines.slice(at + 2, end).map(cells);
      found.push({ kind: "table", head: cells(line), rows });
      at = end;
    } else if (line.trim() === "") {
      at += 1;
    } else {
      const end = until(lines, at + 1, begins);
      found.push({ kind: "paragraph", inline: inline(lines.slice(at, end).join(" ")) });
      at = end;
    }
  }
  return found;
}

function until(lines: string[], from: number, ends: (line: string) => boolean): number {
  const found = lines.findIndex((one, place) => place >= from && ends(one));
  return found < 0 ? lines.length : found;
}

/** Whether a line is no part of the paragraph before it. */
function begins(line: string): boolean {
  return line.trim() === "" || /^(```|#{1,6}\s)/.test(line) || ITEM.test(line);
}

function cells(line: string): Inline[][] {
  const inside = line.trim().replace(/^\|/, "").replace(/\|$/, "");
  return inside.split("|").map((one) => inline(one.trim()));
}

/** The words of a line, with what stands out among them. */
export function inline(text: string): Inline[] {
  const found: Inline[] = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > end) found.push({ kind: "text", text: text.slice(end, match.index) });
    end = match.index + match[0].length;
    const [, code, strong, em, mark, words = "", to, escaped] = match;
    if (code !== undefined) found.push({ kind: "code", text: code });
    else if (strong !== undefined) found.push({ kind: "strong", text: strong });
    else if (em !== undefined) found.push({ kind: "em", text: em });
    else if (to !== undefined) found.push({ kind: mark ? "image" : "link", text: words, to });
    else found.push({ kind: "text", text: escaped ?? "" });
  }
  if (end < text.length) found.push({ kind: "text", text: text.slice(end) });
  return found;
}

/** Columns of figures, the first of them the places; null where they are none. */
export function figures(text: string): { names: string[]; columns: number[][] } | null {
  const [head = "", ...rows] = text.trim().split("\n");
  const names = head.split(",").map((one) => one.trim());
  const columns = names.map((_, at) => rows.map((row) => Number(row.split(",")[at] ?? "x")));
  const fine = rows.length > 1 && names.length > 1 && columns.flat().every(Number.isFinite);
  return fine ? { names, columns } : null;
}
