import { short } from "../../parts/say";
import type { Figure } from "./types";

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
