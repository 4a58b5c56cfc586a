import { Link } from "wouter";
import { useAct } from "../../api/act";
import { send } from "../../api/client";
import { useMay } from "../../api/me";
import { Button } from "../../parts/form";
import { Failure, Note } from "../../parts/note";
import { Card } from "../../parts/page";
import { Moment } from "../../parts/say";
import style from "./run.module.css";
import type { Fenced } from "./types";
import { Standing } from "./words";

const SAID: Record<string, string> = {
  IDENTICAL: "every output came out with the same bytes",
  EQUIVALENT: "every output is within the tolerance declared before",
  DIFFERENT: "an output came out differently",
  UNREPRODUCIBLE: "data it was given were erased since",
};

/** Whether it came out the same again, each time that somebody tried. */
export function Reproduce({ fenced }: { fenced: Fenced }) {
  const others = fenced.followers.filter((one) => one.how !== "replay");
  return (
    <Card title="Can it be had again?">
      {fenced.verdicts.length ? (
        <ul className={style.verdicts}>
          {[...fenced.verdicts].reverse().map((one) => (
            <li key={one.at}>
              <Standing of={one.verdict} /> {SAID[one.verdict] ?? ""}
              {one.cause ? `; the cause: ${one.cause}` : ""} <Moment at={one.time} />
              {one.replay ? (
                <>
                  {" "}
                  <Link href={`/compare?runs=${fenced.run},${one.replay}`}>
                    Compare with the replay
                  </Link>
                </>
              ) : null}
            </li>
          ))}
        </ul>
      ) : (
        <p className="soft">{fenced.ended ? "Nobody tried yet." : "It has to end first."}</p>
      )}
      {fenced.ended ? <Again fenced={fenced} /> : null}
      {others.length ? (
        <p>
          Went on from here:{" "}
          {others.map((one) => (
            <Link key={one.run} href={`/runs/${one.run}`}>
              {one.run}
            </Link>
          ))}
        </p>
      ) : null}
    </Card>
  );
}

/** Asks for it once more: by the service, or with the command at the machine. */
function Again({ fenced }: { fenced: Fenced }) {
  const { run } = fenced;
  const runs = useMay("run");
  const again = useAct(
    () => send<{ run: string; starts: boolean }>("POST", `/runs/${run}/reproduce`, {}),
    ["run", "queue"],
  );
  const ended = fenced.verdicts.some((one) => one.replay === again.data?.run);
  return (
    <>
      {again.isError ? <Failure error={again.error} /> : null}
      {again.data && !ended ? (
        <Note kind={again.data.starts ? "good" : "warn"}>
          {again.data.starts
            ? "It runs again when its turn has come: "
            : "It waits for a service to start it: "}
          <Link href={`/runs/${again.data.run}`}>{again.data.run}</Link>. The verdict shows here
          when it has ended.
        </Note>
      ) : null}
      <div className={style.buttons}>
        {runs ? (
          <Button small plain busy={again.isPending} onClick={() => again.mutate()}>
            Reproduce it
          </Button>
        ) : null}
        <span className="soft">
          At the machine, <code>{`cloister reproduce ${run}`}</code> also finds the cause where
          it comes out differently.
        </span>
      </div>
    </>
  );
}
