import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { get } from "../../api/client";
import { Badge, Failure, Loading, Note } from "../../parts/note";
import { Card, Facts, Page } from "../../parts/page";
import { count, moment } from "../../parts/say";
import { believed, SERVICE, useVerdict } from "./checking";
import style from "./ledger.module.css";
import { bytes, hex, leafHash } from "./merkle";
import { holds } from "./trust";

interface Entry {
  index: number;
  whose: string;
  leaf: string;
}
interface Written {
  type: string;
  time: string;
  actor: string;
  reason: string;
  body: Record<string, unknown>;
}

/** One entry: what is shown is read from the very bytes that are checked. */
export default function EntryPage({ params }: { params: Readonly<Record<string, string>> }) {
  const index = Number(params.index);
  const { data, error } = useQuery({
    queryKey: ["entry", index],
    queryFn: async () => {
      const entry = await get<Entry>(`/ledger/${index}`);
      const leaf = bytes(entry.leaf);
      const written = JSON.parse(
        new TextDecoder("utf-8", { fatal: true }).decode(leaf),
      ) as Written;
      return { entry, leaf, written, hash: hex(await leafHash(leaf)) };
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
  const title = `Entry ${params.index}`;
  const kind = <Link href="/ledger">Ledger</Link>;
  if (error) {
    return (
      <Page title={title} kind={kind}>
        <Failure error={error} />
      </Page>
    );
  }
  if (!data) {
    return (
      <Page title={title} kind={kind}>
        <Loading of="the entry" />
      </Page>
    );
  }
  const { written, entry, hash, leaf } = data;
  return (
    <Page title={title} kind={kind} about={<code>{written.type}</code>}>
      <Card>
        <Facts
          of={[
            ["who", entry.whose],
            ["when", moment(written.time)],
            ["allowed because", written.reason],
            ["hash", <code key="hash">{hash}</code>],
            ["in the record", <Held key="held" index={index} leaf={leaf} />],
          ]}
        />
      </Card>
      <h2>What was written</h2>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keyboard */}
      <pre className={style.body} tabIndex={0}>
        {JSON.stringify(written.body, null, 2)}
      </pre>
    </Page>
  );
}

function Held({ index, leaf }: { index: number; leaf: ReturnType<typeof bytes> }) {
  const verdict = useVerdict().data;
  const head = believed(verdict);
  const { data, error } = useQuery({
    queryKey: ["held", index, head?.size],
    queryFn: () => (head ? holds(leaf, index, head, SERVICE) : false),
    enabled: head !== null,
    placeholderData: (before) => before,
  });
  if (verdict?.kind === "refused") {
    return <Note kind="bad">The record itself was refused: {verdict.why}.</Note>;
  }
  if (verdict?.kind === "unable") return <>Not checked: {verdict.why}.</>;
  if (error) return <Failure error={error} />;
  if (data === undefined) return <>is being checked…</>;
  if (!data)
    return <Note kind="bad">REFUSED: these bytes are not in the record at that place.</Note>;
  return (
    <>
      <Badge kind="good">checked here</Badge> this browser computed the way from these bytes to
      the root of {count(head?.size ?? 0)} entries
    </>
  );
}
