import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Link, useSearch } from "wouter";
import { useAct } from "../../api/act";
import { address, get, type Listed, Refusal, send } from "../../api/client";
import { useMay } from "../../api/me";
import type { ErasureLine, Plan } from "../../api/models";
import { Button, Field, Input, Row } from "../../parts/form";
import { Badge, Empty, Failure, Loading, Note } from "../../parts/note";
import { Card, Facts, Page } from "../../parts/page";
import { count, Id, Said, several } from "../../parts/say";
import { Table } from "../../parts/table";
import { useLive } from "../../shell/live";

interface Approval {
  approval: string;
  action: string;
  what: { reason?: string; subjects?: string[] };
  state: string;
  mine: boolean;
}
interface Done {
  operation: string;
  subject: string;
  ledger_entry: number;
  inventory: Plan["inventory"];
  probes: { what: string; tried: number; opened: number }[];
  remains: { what: string; why: string }[];
}
interface Asked {
  id: string;
  issuer: string;
}

/** A patient who withdraws: what an erasure would touch, the request, the certificate. */
export default function Erase() {
  const trace = useMay("trace");
  const audit = useMay("audit");
  const given = new URLSearchParams(useSearch()).get("subject") ?? "";
  const [asked, setAsked] = useState<Asked | null>(null);
  const plan = useAct((of: Asked) => send<Plan>("POST", "/erasures/plan", { ...of }));
  const look = (of: Asked) => {
    setAsked(of);
    plan.mutate(of);
  };
  return (
    <Page
      title="Erasure"
      about="Destroys a patient's keys for ever. What was sealed under them can then be read by nobody, in no backup."
    >
      {trace ? (
        <Who given={given} busy={plan.isPending} onLook={look} />
      ) : (
        <Note>
          Your role does not look patients up. An admin or the data-protection officer does.
        </Note>
      )}
      {plan.error ? <Failure error={plan.error} /> : null}
      {plan.data && asked ? <Planned plan={plan.data} onDone={() => look(asked)} /> : null}
      <Agreed
        onDone={(subject) => {
          if (plan.data?.subject === subject) look({ id: subject, issuer: "local" });
        }}
      />
      {audit ? <Past /> : null}
    </Page>
  );
}

function Who({
  given,
  busy,
  onLook,
}: {
  given: string;
  busy: boolean;
  onLook: (of: Asked) => void;
}) {
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    onLook({ id: String(form.get("id")).trim(), issuer: String(form.get("issuer")).trim() });
  };
  return (
    <Card title="Who">
      <form onSubmit={submit} autoComplete="off">
        <Row>
          <Field label="Patient" hint="The hospital's id, or a pseudonym (sub_…).">
            <Input name="id" required defaultValue={given} spellCheck={false} />
          </Field>
          <Field label="Who gave the id" hint="As it was said when the data were added.">
            <Input name="issuer" required defaultValue="local" spellCheck={false} />
          </Field>
        </Row>
        <Button type="submit" busy={busy}>
          Show what it would touch
        </Button>{" "}
        <span className="soft">changes nothing</span>
      </form>
    </Card>
  );
}

function Planned({ plan, onDone }: { plan: Plan; onDone: () => void }) {
  const may = useMay("erase");
  const { inventory } = plan;
  return (
    <Card title="What it would touch">
      <Facts
        of={[
          [
            "patient",
            <Link key="subject" href={`/lineage/subject/${plan.subject}`}>
              {plan.subject}
            </Link>,
          ],
          [
            "unreadable",
            `${several(inventory.records, "record")}, ${several(inventory.labels, "label")}`,
          ],
          [
            "in",
            `${several(inventory.versions, "dataset version")}, given to ${several(inventory.runs, "run")}`,
          ],
          [
            "flagged",
            `${several(plan.models.length, "model")} as tainted, which gave ${several(plan.answered, "prediction")}`,
          ],
          ["about them", several(inventory.predictions, "prediction")],
        ]}
      />
      <h3>What remains</h3>
      <ul>
        {plan.remains.map((one) => (
          <li key={one.what}>
            <Said text={one.what} />: <span className="soft">{one.why}</span>
          </li>
        ))}
      </ul>
      {plan.erased !== null ? (
        <Note kind="good">This patient was erased: ledger entry {count(plan.erased)}.</Note>
      ) : may ? (
        <Request plan={plan} onDone={onDone} />
      ) : (
        <p className="soft">An admin asks for the erasure.</p>
      )}
    </Card>
  );
}

function Request({ plan, onDone }: { plan: Plan; onDone: () => void }) {
  const [reason, setReason] = useState("");
  const [sure, setSure] = useState(false);
  const erase = useErase();
  const waits = erase.error instanceof Refusal && erase.error.code === "E205";
  if (erase.data) return <Certified done={erase.data} />;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (sure || plan.needs_second) {
          erase.mutate({ id: plan.subject, reason }, { onSuccess: onDone });
        } else {
          setSure(true);
        }
      }}
    >
      <Field label="Reason" hint="It stays in the record for ever: say why, and not who.">
        <Input
          value={reason}
          onChange={(event) => setReason(event.target.value)}
          required
          maxLength={200}
          placeholder="consent withdrawn"
        />
      </Field>
      {waits ? (
        <Note kind="warn">
          It is asked for. A second person has to agree, on{" "}
          <Link href="/approvals">their page of approvals</Link>; then it is carried out from
          here.
        </Note>
      ) : erase.error ? (
        <Failure error={erase.error} />
      ) : null}
      <Button
        type="submit"
        danger
        busy={erase.isPending}
        disabled={reason.trim() === "" || waits}
      >
        {plan.needs_second
          ? "Ask for the erasure"
          : sure
            ? `Destroy the keys of ${several(plan.inventory.records, "record")} for ever`
            : "Erase…"}
      </Button>{" "}
      {sure ? (
        <Button plain onClick={() => setSure(false)}>
          Keep them
        </Button>
      ) : null}
    </form>
  );
}

function useErase() {
  return useAct(
    ({ id, reason }: { id: string; reason: string }) =>
      send<Done>("POST", "/erasures", { id, issuer: "local", reason }),
    ["erasures", "approvals", "data", "models"],
  );
}

function Certified({ done }: { done: Done }) {
  return (
    <Note kind="good">
      <p>
        Erased: {several(done.inventory.records, "record")} cannot be read by anyone.{" "}
        {done.probes.map((one) => `${one.what}: ${one.opened} of ${one.tried} open`).join("; ")}
        .
      </p>
      <p>
        <a href={address(`/erasures/${done.operation}/certificate`)} download>
          Download the certificate
        </a>
      </p>
    </Note>
  );
}

/** What a second person agreed to and nobody carried out yet. */
function Agreed({ onDone }: { onDone: (subject: string) => void }) {
  const may = useMay("erase");
  const { data } = useQuery({
    queryKey: ["approvals", "erase"],
    queryFn: () => get<Listed<Approval>>("/approvals"),
    enabled: may,
  });
  useLive("approvals", ["approvals", "erase"]);
  const erase = useErase();
  const own = (data?.items ?? []).filter((one) => one.action === "erase" && one.mine);
  if (erase.data) return <Certified done={erase.data} />;
  return (
    <>
      {erase.error ? <Failure error={erase.error} /> : null}
      {own.map((one) => (
        <Note key={one.approval} kind={one.state === "given" ? "good" : "plain"}>
          {one.state === "given"
            ? "A second person agreed to erase "
            : "Waits for a second person: "}
          <Id of={one.what.subjects?.[0] ?? ""} short={16} /> ({one.what.reason}){" "}
          {one.state === "given" ? (
            <Button
              danger
              small
              busy={erase.isPending}
              onClick={() => {
                const id = one.what.subjects?.[0] ?? "";
                erase.mutate(
                  { id, reason: one.what.reason ?? "" },
                  { onSuccess: () => onDone(id) },
                );
              }}
            >
              Destroy the keys now
            </Button>
          ) : null}
        </Note>
      ))}
    </>
  );
}

function Past() {
  const { data, error, refetch } = useQuery({
    queryKey: ["erasures"],
    queryFn: () => get<Listed<ErasureLine>>("/erasures"),
  });
  useLive("erasures", ["erasures"]);
  return (
    <>
      <h2>Erasures on record</h2>
      {error ? <Failure error={error} again={() => void refetch()} /> : null}
      {data ? (
        data.items.length === 0 ? (
          <Empty title="Nobody was erased" />
        ) : (
          <Table
            caption="Erasures"
            rows={data.items}
            id={(one) => one.operation}
            columns={[
              {
                key: "subject",
                title: "Patient",
                wide: true,
                cell: (one) => <Id of={one.subjects[0] ?? ""} short={20} />,
              },
              { key: "reason", title: "Reason", minor: true, cell: (one) => one.reason },
              { key: "by", title: "Asked for by", minor: true, cell: (one) => one.by },
              {
                key: "state",
                title: "State",
                cell: (one) => (
                  <Badge kind={one.state === "completed" ? "good" : "warn"}>{one.state}</Badge>
                ),
              },
              {
                key: "entry",
                title: "Entry",
                number: true,
                minor: true,
                cell: (one) => one.completed ?? one.intended,
              },
              {
                key: "certificate",
                title: "",
                tight: true,
                cell: (one) =>
                  one.state === "completed" ? (
                    <a href={address(`/erasures/${one.operation}/certificate`)} download>
                      Certificate
                    </a>
                  ) : null,
              },
            ]}
          />
        )
      ) : error ? null : (
        <Loading of="the list of erasures" />
      )}
    </>
  );
}
