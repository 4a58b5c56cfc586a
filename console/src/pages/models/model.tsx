import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { address, get } from "../../api/client";
import type { ModelCard } from "../../api/models";
import { To } from "../../parts/form";
import { Badge, Failure, Loading, Note } from "../../parts/note";
import { Card, Facts, Grid, Page } from "../../parts/page";
import { bytes, count, Id, moment, several } from "../../parts/say";
import { Table } from "../../parts/table";
import { useLive } from "../../shell/live";
import { Proof } from "./proof";

/** One model: may it be trusted, what made it, where it answers. */
export default function ModelView({ params }: { params: Readonly<Record<string, string>> }) {
  const { sha256 = "" } = params;
  const { data, error, refetch } = useQuery({
    queryKey: ["models", sha256],
    queryFn: () => get<ModelCard>(`/models/${sha256}`),
  });
  useLive("models", ["models", sha256]);
  if (!data) {
    return (
      <Page title={sha256.slice(0, 12)} kind="Model">
        {error ? (
          <Failure error={error} again={() => void refetch()} />
        ) : (
          <Loading of="the model" />
        )}
      </Page>
    );
  }
  return <Whole card={data} />;
}

function Whole({ card }: { card: ModelCard }) {
  const { line, made } = card;
  const name = line.names[0];
  return (
    <Page
      title={name ? `${name.name} v${name.version}` : line.sha256.slice(0, 12)}
      kind={
        <>
          Model <Proof of={line} />
        </>
      }
      about={
        <>
          {line.format}, {bytes(line.size_bytes)}, made {moment(line.made)}
        </>
      }
      actions={
        <>
          <To plain href={`/lineage/model/${line.sha256}`}>
            Lineage
          </To>
          {card.statement !== null && card.may_prove ? (
            <To href={address(`/runs/${line.run}/bundle`)} saves>
              Download the bundle
            </To>
          ) : null}
        </>
      }
    >
      {card.taints.length ? (
        <Note kind="bad">
          Since it was made,{" "}
          {card.taints.length === 1 ? "somebody" : `${card.taints.length} people`} whose data it
          learned from {card.taints.length === 1 ? "was" : "were"} erased. Weights may remember:
          withdraw it, train again without, or keep it and write down why.
        </Note>
      ) : null}
      <Grid>
        <Card title="What made it">
          <Facts
            of={[
              [
                "run",
                <Link key="run" href={`/runs/${made.run}`}>
                  {made.run}
                </Link>,
              ],
              ...made.inputs.map(
                ([reference, part, records, subjects]) =>
                  [
                    "data",
                    <span key={reference}>
                      <Link href={`/data/${reference.replace("@", "/")}`}>{reference}</Link>
                      {part ? `, ${part}` : ""}: {several(records, "record")} of{" "}
                      {several(subjects, "subject")}
                    </span>,
                  ] as const,
              ),
              ...(made.converted_from
                ? [
                    [
                      "converted from",
                      <Link key="from" href={`/runs/${made.converted_from}`}>
                        {made.converted_from}
                      </Link>,
                    ] as const,
                  ]
                : []),
              ...made.pretrained.map(
                (one) => ["began with", `${one.name} (${one.license})`] as const,
              ),
              ["fence", made.fence ?? "it did not end"],
              ["reproduced", made.reproduced ?? "not yet"],
              ["code", <Id key="code" of={made.code} />],
              ["environment", <Id key="environment" of={made.environment} />],
            ]}
          />
        </Card>
        <Card title="Its proof">
          <Facts
            of={[
              [
                "statement",
                card.statement === null
                  ? "none yet"
                  : `signed, ledger entry ${count(card.statement)}`,
              ],
              ["digest", <Id key="digest" of={line.sha256} short={20} />],
              ...(card.siblings.length
                ? [
                    [
                      "proved with it",
                      `${count(card.siblings.length)} other models of the run`,
                    ] as const,
                  ]
                : []),
              ...line.names.map(
                (one) =>
                  [
                    "called",
                    <span key={`${one.name} ${one.version}`}>
                      {one.name} v{one.version}
                      {one.stage === "None" ? "" : `, ${one.stage}`}{" "}
                      {one.aliases.map((alias) => (
                        <Badge key={alias}>{alias}</Badge>
                      ))}
                    </span>,
                  ] as const,
              ),
            ]}
          />
          {card.statement !== null ? (
            <p className="soft">
              The bundle is checked on any machine, without this lab:{" "}
              <code>python cloister_verify.py bundle-{line.run} --trust lab.pub</code>
            </p>
          ) : (
            <p className="soft">
              A run that ended well signs one; see <code>cloister prove {line.run}</code>.
            </p>
          )}
        </Card>
      </Grid>
      <h2>Where it answers</h2>
      {card.deployments.length ? (
        <Table
          caption="Deployments"
          rows={card.deployments}
          id={(one) => one.deployment}
          columns={[
            {
              key: "deployment",
              title: "Deployment",
              wide: true,
              cell: (one) => <Id of={one.deployment} short={20} />,
            },
            {
              key: "state",
              title: "State",
              cell: (one) =>
                one.stopped === null ? (
                  <Badge kind="good">answers</Badge>
                ) : (
                  <Badge>stopped</Badge>
                ),
            },
            { key: "time", title: "Since", tight: true, cell: (one) => moment(one.time) },
            {
              key: "predictions",
              title: "Predictions",
              number: true,
              cell: (one) => count(one.predictions),
            },
          ]}
        />
      ) : (
        <p className="soft">
          Nowhere yet: <code>cloister serve {line.run}</code>
        </p>
      )}
    </Page>
  );
}
