import { count } from "../../parts/say";
import type { StepNode } from "./types";

/** What else is to be said of a step, in a few words. */
export function more(of: StepNode): string {
  return [
    of.kind === "python" ? "" : of.kind,
    of.steps > 1 ? `${count(of.steps)} steps` : "",
    of.calls > 1 ? `${count(of.calls)} calls` : "",
    of.reused && of.calls > of.reused ? `${count(of.reused)} reused` : "",
    of.tries > 1 ? `${of.tries} tries` : "",
    ...of.notes,
  ]
    .filter(Boolean)
    .join(", ");
}
