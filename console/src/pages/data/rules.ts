/** What files say of themselves, read in the browser to suggest how to tell whose they are. */
import type { Chosen } from "./sending";

export type Way = "dicom" | "pattern" | "column" | "none";

const TABLE = /\.(csv|tsv)$/i;

/** Files of an input as paths below the folder that was chosen. */
export function pathsOf(files: FileList): Chosen[] {
  return Array.from(files, (file) => {
    const whole = file.webkitRelativePath || file.name;
    const inside = file.webkitRelativePath ? whole.slice(whole.indexOf("/") + 1) : whole;
    return { path: inside, file };
  }).sort((one, other) => (one.path < other.path ? -1 : 1));
}

export function tablesOf(chosen: readonly Chosen[]): Chosen[] {
  return chosen.filter((one) => TABLE.test(one.path));
}

/** The names in a table's first line. */
export async function columnsOf(file: File): Promise<string[]> {
  const [line = ""] = (await file.slice(0, 65_536).text()).split(/\r?\n/, 1);
  const mark = [",", ";", "\t", "|"].find((one) => line.includes(one)) ?? ",";
  return line
    .replace(/^\ufeff/, "")
    .split(mark)
    .map((name) => name.trim().replace(/^"|"$/g, ""))
    .filter(Boolean);
}

/** How a pattern divides the files: subjects, and files of nobody; null for no pattern. */
export function divided(
  chosen: readonly Chosen[],
  pattern: string,
): { subjects: number; nobody: number; example: string } | null {
  let found: RegExp;
  try {
    found = new RegExp(pattern.replace("(?P<", "(?<"), "u");
  } catch {
    return null;
  }
  const subjects = new Set<string>();
  let nobody = 0;
  for (const one of chosen) {
    const match = found.exec(one.path);
    const subject = match?.groups?.subject ?? match?.[1];
    if (subject) subjects.add(subject);
    else nobody += 1;
  }
  const [example = ""] = subjects;
  return { subjects: subjects.size, nobody, example };
}

/** A first guess: folders are patients where there are any. */
export function guess(chosen: readonly Chosen[]): { way: Way; pattern: string } {
  const pattern = "^([^/]+)/";
  if (chosen.some((one) => /\.dcm$/i.test(one.path))) return { way: "dicom", pattern };
  const inside = chosen.filter((one) => one.path.includes("/")).length;
  if (inside > chosen.length / 2) return { way: "pattern", pattern };
  return { way: tablesOf(chosen).length ? "column" : "pattern", pattern };
}
