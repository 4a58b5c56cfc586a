import { useQuery } from "@tanstack/react-query";
import { useAct } from "../../api/act";
import { get, type Listed, send } from "../../api/client";
import { useMay, useMe } from "../../api/me";
import { Badge, Empty, Failure, Loading } from "../../parts/note";
import { Page } from "../../parts/page";
import { Moment } from "../../parts/say";
import { Sure } from "../../parts/sure";
import { Table } from "../../parts/table";
import { useLive } from "../../shell/live";

interface Session {
  session: string;
  whose: string;
  how: string;
  since: string;
  until: string;
  this: boolean;
}

/** Who is logged in, and ending it. */
export default function Sessions() {
  const me = useMe();
  const people = useMay("people");
  const { data, error, refetch } = useQuery({
    queryKey: ["sessions"],
    queryFn: () => get<Listed<Session>>("/sessions"),
  });
  useLive("access", ["sessions"]);
  const close = useAct((one: string) => send("DELETE", `/sessions/${one}`), ["sessions"]);
  const rows = [...(data?.items ?? [])].sort(
    (one, other) =>
      Number(other.this) - Number(one.this) || other.since.localeCompare(one.since),
  );
  const named = (one: Session) => `${one.whose}'s session by ${one.how}`;
  return (
    <Page
      title="Sessions"
      about={
        <>
          {people
            ? "Every browser that is logged in"
            : "Every browser that you are logged in with"}
          . Close what you do not know, then change what it came in with under{" "}
          <a href="/account">your account</a>.
        </>
      }
    >
      {error ? <Failure error={error} again={() => void refetch()} /> : null}
      {close.error ? <Failure error={close.error} /> : null}
      {data ? null : error ? null : <Loading of="the sessions" />}
      {data && rows.length === 0 ? <Empty title="Nobody is logged in" /> : null}
      {rows.length ? (
        <Table
          caption="Sessions"
          rows={rows}
          id={(one) => one.session}
          columns={[
            {
              key: "whose",
              title: "Whose",
              wide: true,
              cell: (one) => (
                <>
                  {one.whose}
                  {one.whose === me?.name ? <span className="soft"> (you)</span> : null}
                </>
              ),
            },
            { key: "how", title: "Came in by", minor: true, cell: (one) => one.how },
            { key: "since", title: "Since", cell: (one) => <Moment at={one.since} /> },
            {
              key: "until",
              title: "Ends",
              minor: true,
              cell: (one) => <Moment at={one.until} />,
            },
            {
              key: "do",
              title: "",
              tight: true,
              cell: (one) =>
                one.this ? (
                  <Badge kind="good">this browser</Badge>
                ) : (
                  <Sure
                    label="Close"
                    what={named(one)}
                    busy={close.isPending && close.variables === one.session}
                    onYes={() => close.mutate(one.session)}
                  />
                ),
            },
          ]}
        />
      ) : null}
    </Page>
  );
}
