import type { Tone } from "../../parts/note";

/** How a mark on the line is shown. */
export function toneOf(mark: string): Tone {
  if (["tainted", "failed", "interrupted"].includes(mark)) return "bad";
  if (mark === "erased" || mark === "stopped") return "warn";
  return mark === "running" ? "good" : "plain";
}
