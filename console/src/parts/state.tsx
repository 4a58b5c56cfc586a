import { Badge, type Tone } from "./note";

const TONES: Record<string, Tone> = {
  done: "good",
  finished: "good",
  failed: "bad",
  blocked: "warn",
  interrupted: "warn",
  killed: "warn",
  stopped: "warn",
};

/** How a run, a step, a trial or what they are of stands. */
export function State({ of }: { of: string }) {
  return <Badge kind={TONES[of] ?? "plain"}>{of}</Badge>;
}
