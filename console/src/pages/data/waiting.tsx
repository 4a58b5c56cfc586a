import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { useAct } from "../../api/act";
import { get, type Listed, send } from "../../api/client";
import { Button } from "../../parts/form";
import { Failure, Note } from "../../parts/note";
import { Moment } from "../../parts/say";
import { useLive } from "../../shell/live";

export interface Upload {
  upload: string;
  name: string;
  by: string;
  state: "open" | "adding" | "added" | "withdrawn" | "expired";
  time: string;
  problem: string | null;
  number: number | null;
}

/** Uploads that are not a version yet. */
export function Waiting() {
  const { data } = useQuery({
    queryKey: ["uploads"],
    queryFn: () => get<Listed<Upload>>("/uploads"),
  });
  useLive("data", ["uploads"]);
  const withdraw = useAct(
    (upload: string) => send("DELETE", `/uploads/${upload}`),
    ["uploads"],
  );
  const waiting = (data?.items ?? []).filter((one) => ["open", "adding"].includes(one.state));
  if (waiting.length === 0) return null;
  return (
    <>
      {withdraw.error ? <Failure error={withdraw.error} /> : null}
      {waiting.map((one) => (
        <Note key={one.upload} kind={one.problem ? "warn" : "plain"}>
          <strong>{one.name}</strong>{" "}
          {one.state === "adding" ? "is being added" : "waits for the rest of its files"}{" "}
          <span className="soft">
            begun <Moment at={one.time} /> by {one.by}
          </span>{" "}
          <Link href={`/data/add?upload=${one.upload}`}>
            {one.state === "adding" ? "Look" : "Go on"}
          </Link>{" "}
          {one.state === "open" ? (
            <Button
              plain
              small
              busy={withdraw.isPending}
              onClick={() => withdraw.mutate(one.upload)}
            >
              Throw away
            </Button>
          ) : null}
        </Note>
      ))}
    </>
  );
}
