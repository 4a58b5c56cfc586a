import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useAct } from "../../api/act";
import { get, type Listed, send } from "../../api/client";
import { useMay, useMe } from "../../api/me";
import { Check } from "../../parts/form";
import { Badge, Empty, Failure, Loading, type Tone } from "../../parts/note";
import { Bar, Page } from "../../parts/page";
import { Moment } from "../../parts/say";
import { Sure } from "../../parts/sure";
import { Table } from "../../parts/table";
import { useLive } from "../../shell/live";
import { Issue, type Issued, Secret } from "./issue";

interface Token {
  token: string;
  whose: string;
  purpose: string;
  scopes: string[] | null;
  expires: string;
  state: string;
}

const TONES: Record<string, Tone> = { good: "good", revoked: "bad" };

/** What programs show instead of a person. */
export default function Tokens() {
  const me = useMe();
  const [everything, setEverything] = useState(false);
  const [issued, setIssued] = useState<Issued | null>(null);
  const { data, error, refetch } = useQuery({
    queryKey: ["tokens"],
    queryFn: () => get<Listed<Token>>("/tokens"),
  });
  useLive("access", ["tokens"]);
  const revoke = useAct((token: string) => send("DELETE", `/tokens/${token}`), ["tokens"]);
  const all = [...(data?.items ?? [])].reverse();
  const rows = everything ? all : all.filter((one) => one.state === "good");
  const people = useMay("people");
  return (
    <Page
      title="Tokens"
      about={
        <>
          For programs: each stands for whoever it was issued to, for some actions and some
          time. Password, authenticator and passkeys are under{" "}
          <a href="/account">your account</a>.
        </>
      }
    >
      {error ? <Failure error={error} again={() => void refetch()} /> : null}
      {revoke.error ? <Failure error={revoke.error} /> : null}
      {issued ? <Secret of={issued} onDone={() => setIssued(null)} /> : null}
      <Issue
        onIssued={(made) => {
          setIssued(made);
          window.scrollTo(0, 0);
        }}
      />
      <h2>{people ? "Everybody's tokens" : "Your tokens"}</h2>
      <Bar>
        <Check
          label="Show what is over, too"
          checked={everything}
          onChange={(event) => setEverything(event.target.checked)}
        />
      </Bar>
      {data ? null : error ? null : <Loading of="the tokens" />}
      {data && rows.length === 0 ? (
        <Empty title={all.length ? "None is good any more" : "No token yet"}>
          <p>A program that asks this lab for something needs one.</p>
        </Empty>
      ) : null}
      {rows.length ? (
        <Table
          caption="Tokens"
          rows={rows}
          id={(one) => one.token}
          columns={[
            { key: "purpose", title: "For", wide: true, cell: (one) => one.purpose },
            ...(people
              ? [
                  {
                    key: "whose",
                    title: "Whose",
                    minor: true,
                    cell: (one: Token) => (
                      <>
                        {one.whose}
                        {one.whose === me?.name ? <span className="soft"> (you)</span> : null}
                      </>
                    ),
                  },
                ]
              : []),
            {
              key: "scopes",
              title: "May",
              minor: true,
              cell: (one) =>
                one.scopes?.join(", ") ?? <span className="soft">all that a token can</span>,
            },
            { key: "expires", title: "Until", cell: (one) => <Moment at={one.expires} /> },
            {
              key: "state",
              title: "State",
              minor: true,
              cell: (one) => <Badge kind={TONES[one.state] ?? "plain"}>{one.state}</Badge>,
            },
            {
              key: "do",
              title: "",
              tight: true,
              cell: (one) =>
                one.state === "good" ? (
                  <Sure
                    label="Revoke"
                    what={one.purpose}
                    busy={revoke.isPending && revoke.variables === one.token}
                    onYes={() => revoke.mutate(one.token)}
                  />
                ) : null,
            },
          ]}
        />
      ) : null}
    </Page>
  );
}
