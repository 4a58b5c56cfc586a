import type { Found } from "../../api/data";
import { Badge, type Tone } from "../../parts/note";
import { count } from "../../parts/say";

const TONES: Record<Found["severity"], Tone> = { error: "bad", warning: "warn", note: "plain" };

export function toneOf(severity: Found["severity"]): Tone {
  return TONES[severity];
}

/** What a check found, in a few words: the gravest first. */
export function Summary({ checked, findings }: { checked: string | null; findings: Found[] }) {
  if (checked === null) return <span className="soft">not checked</span>;
  if (findings.length === 0) return <Badge kind="good">nothing found</Badge>;
  return (
    <>
      {(["error", "warning", "note"] as const).map((severity) => {
        const kinds = findings.filter((one) => one.severity === severity).length;
        return kinds ? (
          <Badge key={severity} kind={TONES[severity]}>
            {count(kinds)} {severity}
            {kinds === 1 ? "" : "s"}
          </Badge>
        ) : null;
      })}
    </>
  );
}
