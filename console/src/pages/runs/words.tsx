import type { ReactNode } from "react";
import { Badge, type Tone } from "../../parts/note";
import { short, span } from "../../parts/say";

const VERDICTS: Record<string, Tone> = {
  IDENTICAL: "good",
  EQUIVALENT: "good",
  DIFFERENT: "bad",
  UNREPRODUCIBLE: "warn",
};

/** The verdict of a replay, or that the run is one. */
export function Standing({ of }: { of: string | null }) {
  if (of === null) return null;
  const word = of.split(",")[0] as string;
  return <Badge kind={VERDICTS[word] ?? "plain"}>{of.toLowerCase()}</Badge>;
}

/** How strong the fence was; that none was there is said as loudly. */
export function Fence({ level, there }: { level: string | null; there: boolean }) {
  if (!there) return <Badge kind="warn">no fence</Badge>;
  if (level === null || level === "full") return null;
  return <Badge kind={level === "partial" ? "warn" : "bad"}>{`fence: ${level}`}</Badge>;
}

/** How long it took, or takes. */
export function lasted(started: string | null, ended: string | null): string {
  if (started === null) return "";
  const until = ended === null ? Date.now() : Date.parse(ended);
  return span(Math.max(0, until - Date.parse(started)));
}

/** A value of a column, as briefly as it says what it is. */
export function value(of: string | number | undefined): ReactNode {
  if (of === undefined) return <span className="soft">–</span>;
  if (typeof of === "number") return short(of);
  return of.length > 60 ? <span title={of}>{`${of.slice(0, 60)}…`}</span> : of;
}
