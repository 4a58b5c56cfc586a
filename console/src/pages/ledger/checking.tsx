import { useQuery } from "@tanstack/react-query";
import { get } from "../../api/client";
import { useMe } from "../../api/me";
import { Button } from "../../parts/form";
import { Badge, Failure, Loading, Note } from "../../parts/note";
import { Card, Facts } from "../../parts/page";
import { count, Moment } from "../../parts/say";
import { useLive } from "../../shell/live";
import style from "./ledger.module.css";
import { hex } from "./merkle";
import type { Head } from "./note";
import { checked, type Service, type Verdict } from "./trust";

export const SERVICE: Service = {
  head: () => get("/ledger/head"),
  consistency: (old, size) => get("/ledger/consistency", { old, new: size }),
  inclusion: (index, size) => get(`/ledger/${index}/inclusion`, { size }),
};

/** What this browser found of the newest head; asked again whenever the record grows. */
export function useVerdict() {
  const lab = useMe()?.lab.id;
  useLive("ledger", ["verdict"]);
  return useQuery({
    queryKey: ["verdict", lab],
    queryFn: () => checked(lab ?? "", SERVICE, localStorage),
    enabled: lab !== undefined,
  });
}

/** The head that was believed, if it was. */
export function believed(verdict: Verdict | undefined): Head | null {
  return verdict?.kind === "first" || verdict?.kind === "verified" ? verdict.head : null;
}

export function Checking() {
  const { data, error, isFetching, refetch } = useVerdict();
  if (error) return <Failure error={error} again={() => void refetch()} />;
  if (!data) return <Loading lines={3} of="the check of the record" />;
  const head = believed(data);
  return (
    <Card title="Checked in this browser">
      <Said verdict={data} />
      {head ? (
        <Facts
          of={[
            ["log", head.origin],
            ["entries", count(head.size)],
            ["root", <code key="root">{hex(head.root)}</code>],
          ]}
        />
      ) : null}
      <p className={style.again}>
        <Button small plain busy={isFetching} onClick={() => void refetch()}>
          Check again
        </Button>
      </p>
    </Card>
  );
}

function Said({ verdict }: { verdict: Verdict }) {
  if (verdict.kind === "refused") {
    return (
      <Note kind="bad">
        <p>
          <strong>REFUSED: {verdict.why}.</strong>
        </p>
        <p>
          What this service shows is not the record that this browser saw before. Show it to
          whoever answers for the lab, and run <code>cloister audit</code> on the machine. What
          was seen stays remembered.
        </p>
      </Note>
    );
  }
  if (verdict.kind === "unable") {
    return (
      <Note kind="warn">
        <p>
          <strong>Not checked: {verdict.why}.</strong> Use a newer browser, or{" "}
          <code>cloister audit</code> on the machine.
        </p>
      </Note>
    );
  }
  if (verdict.kind === "first") {
    return (
      <p>
        <Badge kind="warn">UNVERIFIED</Badge> This browser sees the record for the first time.
        Its head is signed by the key that the service shows; from now on a rewritten or
        rolled-back record is refused here.
      </p>
    );
  }
  return (
    <p>
      <Badge kind="good">verified</Badge> Signed by the lab's key, and goes on from the{" "}
      {count(verdict.since)} entries that this browser checked <Moment at={verdict.seen} />.
    </p>
  );
}
