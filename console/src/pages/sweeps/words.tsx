import { Badge, type Tone } from "../../parts/note";
import { short } from "../../parts/say";
import type { Figure } from "./types";

const TONES: Record<string, Tone> = {
  finished: "good",
  failed: "bad",
  interrupted: "warn",
  stopped: "warn",
};

/** How a sweep or a trial stands. */
export function State({ of }: { of: string }) {
  return <Badge kind={TONES[of] ?? "plain"}>{of}</Badge>;
}

/** A number, or the word for one that JSON has not. */
export function figure(of: Figure): string {
  if (of === null) return "–";
  return typeof of === "number" ? short(of) : of;
}

/** A value that a parameter had. */
export function said(of: unknown): string {
  if (typeof of === "number") return short(of);
  return typeof of === "string" ? of : JSON.stringify(of);
}
