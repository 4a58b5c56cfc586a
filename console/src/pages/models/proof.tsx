import type { Model } from "../../api/models";
import { Badge } from "../../parts/note";

/** How it stands with the proof of a model, in a word or two. */
export function Proof({ of }: { of: Pick<Model, "proof" | "tainted" | "withdrawn"> }) {
  return (
    <>
      {of.tainted ? (
        <Badge kind="bad">tainted</Badge>
      ) : of.proof === "signed" ? (
        <Badge kind="good">anchored</Badge>
      ) : (
        <Badge kind="warn">no statement</Badge>
      )}
      {of.withdrawn ? (
        <>
          {" "}
          <Badge>withdrawn</Badge>
        </>
      ) : null}
    </>
  );
}
