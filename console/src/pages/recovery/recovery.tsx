import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { get } from "../../api/client";
import { Badge, Empty, Failure, Loading, Note, type Tone } from "../../parts/note";
import { Card, Facts, Grid, Page } from "../../parts/page";
import { Moment, several, span } from "../../parts/say";
import { Table } from "../../parts/table";
import { useLive } from "../../shell/live";
import type { Drill, Place, Recovery } from "./types";

const OUTCOMES: Record<string, Tone> = { passed: "good", failed: "bad" };

/** Whether the lab comes back: what is missing first. */
export default function RecoveryPage() {
  const { data, error, refetch } = useQuery({
    queryKey: ["recovery"],
    queryFn: () => get<Recovery>("/recovery"),
    refetchInterval: 15_000, // how far a backup lags is no entry of the record
  });
  useLive("recovery", ["recovery"]);
  return (
    <Page
      title="Recovery"
      about="What would be lost if this machine were gone now, and how it comes back."
    >
      {error ? <Failure error={error} again={() => void refetch()} /> : null}
      {data ? <Shown of={data} /> : error ? null : <Loading of="the state of recovery" />}
    </Page>
  );
}

function Shown({ of }: { of: Recovery }) {
  const lacks = lacking(of);
  return (
    <>
      {lacks.length ? (
        <Note kind="warn">
          {lacks.map((one) => (
            <p key={one[0]}>
              <strong>{one[0]}</strong> {one[1]}
            </p>
          ))}
        </Note>
      ) : (
        <Note kind="good">Saved, rehearsed, and the keys have a second copy.</Note>
      )}
      <Grid>
        <Card title="Recovery secret">
          <Facts of={secretFacts(of)} />
        </Card>
        <Card title="Key service">
          <Facts
            of={[
              [
                "keys",
                <Badge key="keys" kind={of.keys === "open" ? "good" : "warn"}>
                  {of.keys}
                </Badge>,
              ],
              [
                "runs as",
                of.development_seal
                  ? "the lab's own user: DEVELOPMENT SEAL"
                  : "a user of its own",
              ],
              [
                "second copy",
                <Badge key="copy" kind={of.copy === "kept" ? "good" : "warn"}>
                  {of.copy}
                </Badge>,
              ],
            ]}
          />
        </Card>
      </Grid>
      <h2>Backups</h2>
      <Backups places={of.places} />
      <h2>Rehearsals</h2>
      <Drills drills={of.drills} />
    </>
  );
}

function lacking(of: Recovery): [string, ReactNode][] {
  const found: [string, ReactNode][] = [];
  if (of.places.length === 0) {
    found.push([
      "Nothing is saved elsewhere.",
      <Say key="say" words="cloister backup init PLACE" />,
    ]);
  } else if (of.places.every((one) => one.saved === null)) {
    found.push(["No save is whole yet.", <Say key="say" words="cloister backup run" />]);
  }
  for (const one of of.places) {
    if (!one.there)
      found.push([`${one.uri} does not answer.`, "Is it plugged in, and is it up?"]);
    if (one.trouble) found.push([`${one.uri} cannot be saved to:`, one.trouble]);
  }
  const failed = of.drills.filter((one) => one.outcome === "failed");
  for (const one of failed)
    found.push([
      `The rehearsal of ${one.scenario} failed.`,
      <Say key="say" words="cloister drill" />,
    ]);
  if (of.drills.length === 0) {
    found.push(["Coming back was never rehearsed.", <Say key="say" words="cloister drill" />]);
  }
  if (of.copy === "none") {
    found.push([
      "The keys have no second copy.",
      <Say key="say" words="cloister keys copy FOLDER" />,
    ]);
  } else if (of.copy !== "kept") {
    found.push([
      `The second copy of the keys is ${of.copy}.`,
      <Say key="say" words="cloister doctor" />,
    ]);
  }
  return found;
}

function Say({ words }: { words: string }) {
  return (
    <>
      Say <code>{words}</code>.
    </>
  );
}

function secretFacts({ secret }: Recovery): (readonly [string, ReactNode])[] {
  if (secret === null) return [["unknown", "the key service does not answer"]];
  if (secret.kind === "code") {
    return [
      ["kind", "one code, on the recovery kit that init printed"],
      ["advice", "whoever has it has the lab; whoever loses it cannot come back"],
    ];
  }
  return [
    ["kind", `shares: any ${secret.threshold} of ${secret.count} sheets together`],
    ["set", <code key="set">{secret.set}</code>],
  ];
}

function Backups({ places }: { places: Place[] }) {
  if (places.length === 0) {
    return (
      <Empty title="No place to save to">
        <p>A folder on another disk, a server over SSH or a bucket will do.</p>
      </Empty>
    );
  }
  return (
    <Table
      caption="Backups"
      rows={places}
      id={(one) => one.target}
      columns={[
        { key: "uri", title: "Place", wide: true, cell: (one) => <code>{one.uri}</code> },
        {
          key: "there",
          title: "Now",
          cell: (one) =>
            one.trouble ? (
              <Badge kind="bad">cannot save</Badge>
            ) : one.there ? (
              <Badge kind="good">answers</Badge>
            ) : (
              <Badge kind="bad">away</Badge>
            ),
        },
        { key: "saved", title: "Last save", cell: (one) => <Moment at={one.saved} /> },
        {
          key: "behind",
          title: "Would be lost",
          cell: (one) => (one.behind === 0 ? "nothing" : several(one.behind, "change")),
        },
        {
          key: "lag",
          title: "Continuous",
          minor: true,
          cell: (one) =>
            one.lag_ms === null ? <span className="soft">no</span> : `${one.lag_ms} ms behind`,
        },
      ]}
    />
  );
}

function Drills({ drills }: { drills: Drill[] }) {
  if (drills.length === 0) {
    return (
      <Empty title="Never rehearsed">
        <p>
          <code>cloister drill</code> destroys a copy of the lab and brings it back, with a
          clock running.
        </p>
      </Empty>
    );
  }
  return (
    <Table
      caption="Rehearsals"
      rows={drills}
      id={(one) => one.scenario}
      columns={[
        { key: "scenario", title: "Disaster", wide: true, cell: (one) => one.scenario },
        {
          key: "outcome",
          title: "Outcome",
          cell: (one) => <Badge kind={OUTCOMES[one.outcome] ?? "plain"}>{one.outcome}</Badge>,
        },
        {
          key: "rpo",
          title: "Lost",
          cell: (one) => (one.rpo_ms === null ? "-" : span(one.rpo_ms)),
        },
        {
          key: "rto",
          title: "Back in",
          cell: (one) => (one.rto_ms === null ? "-" : span(one.rto_ms)),
        },
        { key: "time", title: "When", cell: (one) => <Moment at={one.time} /> },
      ]}
    />
  );
}
