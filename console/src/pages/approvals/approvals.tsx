import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useAct } from "../../api/act";
import { get, type Listed, send } from "../../api/client";
import { useMay } from "../../api/me";
import { Button, Check } from "../../parts/form";
import { Badge, Empty, Failure, Loading, type Tone } from "../../parts/note";
import { Bar, Card, Facts, Page } from "../../parts/page";
import { Moment } from "../../parts/say";
import { useLive } from "../../shell/live";
import style from "./approvals.module.css";

interface Approval {
  approval: string;
  action: string;
  what: Record<string, unknown>;
  asker: string;
  decider: string | null;
  state: string;
  expires: string;
  mine: boolean;
}

const TONES: Record<string, Tone> = { waiting: "warn", given: "good", refused: "bad" };

/** What nobody does alone: asked for by one, agreed to by another. */
export default function Approvals() {
  const may = useMay("approve");
  const [everything, setEverything] = useState(false);
  const { data, error, refetch } = useQuery({
    queryKey: ["approvals", everything],
    queryFn: () => get<Listed<Approval>>("/approvals", { everything }),
  });
  useLive("approvals", ["approvals"]);
  const lines = data ? [...data.items].reverse() : [];
  return (
    <Page
      title="Approvals"
      about="What nobody does alone in this lab: one person asks, another agrees, for exactly that."
    >
      <Bar>
        <Check
          label="Show what is over, too"
          checked={everything}
          onChange={(event) => setEverything(event.target.checked)}
        />
      </Bar>
      {error ? <Failure error={error} again={() => void refetch()} /> : null}
      {data ? null : error ? null : <Loading of="the list" />}
      {data && lines.length === 0 ? (
        <Empty title="Nothing waits">
          <p>
            Requests appear here when somebody does what needs a second person, an erasure for
            instance.
          </p>
        </Empty>
      ) : null}
      {lines.map((line) => (
        <Request key={line.approval} line={line} may={may} />
      ))}
    </Page>
  );
}

function Request({ line, may }: { line: Approval; may: boolean }) {
  const decide = useAct(
    (how: "give" | "refuse") => send("POST", `/approvals/${line.approval}/${how}`, {}),
    ["approvals"],
  );
  const waits = line.state === "waiting";
  return (
    <Card
      title={`${line.asker} asks to ${line.action}`}
      beside={
        <Badge kind={TONES[line.state] ?? "plain"}>
          {line.state}
          {line.decider ? ` by ${line.decider}` : ""}
        </Badge>
      }
    >
      <Facts
        of={[
          ...Object.entries(line.what).map(([name, value]) => [name, said(value)] as const),
          ["request", <code key="id">{line.approval}</code>],
          [waits ? "until" : "held until", <Moment key="until" at={line.expires} />],
        ]}
      />
      {decide.error ? <Failure error={decide.error} /> : null}
      {waits && line.mine ? <p className={style.quiet}>Somebody else has to agree.</p> : null}
      {waits && !line.mine && may ? (
        <p className={style.acts}>
          <Button busy={decide.isPending} onClick={() => decide.mutate("give")}>
            Agree
          </Button>{" "}
          <Button danger busy={decide.isPending} onClick={() => decide.mutate("refuse")}>
            Refuse
          </Button>
        </p>
      ) : null}
    </Card>
  );
}

function said(value: unknown): string {
  if (Array.isArray(value)) return value.map(said).join(", ") || "none";
  if (value === null || value === "") return "none";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
