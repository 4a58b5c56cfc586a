import { useQuery } from "@tanstack/react-query";
import { lazy, type ReactNode, Suspense } from "react";
import { Link } from "wouter";
import { address, get, type Listed } from "../../api/client";
import { Failure, Loading } from "../../parts/note";
import { Card } from "../../parts/page";
import { Cells } from "../../parts/table";
import type { FileLine } from "../runs/types";
import { type Block, blocks, figures, type Inline } from "./markdown";
import style from "./pipelines.module.css";
import type { FlowPage } from "./types";

const Plot = lazy(async () => ({ default: (await import("../../parts/plot")).Plot }));
const LONGEST = 256 << 10;

/** What a task left to be read: its words, with its own pictures, and nothing from elsewhere. */
export function Result({ of }: { of: FlowPage["pages"][number] }) {
  const files = useQuery({
    queryKey: ["result", of.run],
    queryFn: ({ signal }) =>
      get<Listed<FileLine>>(`/runs/${of.run}/files`, { limit: 200 }, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const refs = new Map(files.data?.items.map((one) => [one.path ?? "", one.ref]));
  const ref = refs.get(of.path);
  const page = useQuery({
    queryKey: ["result", of.run, ref],
    queryFn: ({ signal }) =>
      words(address(`/runs/${of.run}/file`, { ref, most: LONGEST }), signal),
    enabled: ref !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 30_000,
  });
  const error = files.error ?? page.error;
  const image = (path: string) => {
    const found = refs.get(path);
    return found ? address(`/runs/${of.run}/file`, { ref: found }) : null;
  };
  return (
    <Card title={`Result of ${of.step}`}>
      {error ? <Failure error={error} /> : null}
      {files.data && ref === undefined ? (
        <p className="soft">{`Its task left no file ${of.path}.`}</p>
      ) : null}
      {page.data !== undefined ? (
        <div className={style.result}>
          {blocks(page.data).map((block, at) => (
            <Drawn key={at} of={block} image={image} />
          ))}
        </div>
      ) : error || (files.data && ref === undefined) ? null : (
        <Loading of="the result" />
      )}
    </Card>
  );
}

async function words(where: string, signal: AbortSignal): Promise<string> {
  const answer = await fetch(where, { signal });
  if (!answer.ok) throw new Error(`that did not work (${answer.status})`);
  return answer.text();
}

type Image = (path: string) => string | null;

function Drawn({ of, image }: { of: Block; image: Image }) {
  switch (of.kind) {
    case "heading": {
      const Heading = of.level <= 2 ? "h3" : "h4";
      return <Heading>{said(of.inline, image)}</Heading>;
    }
    case "paragraph":
      return <p>{said(of.inline, image)}</p>;
    case "list": {
      const List = of.ordered ? "ol" : "ul";
      return (
        <List>
          {of.items.map((item, at) => (
            <li key={at}>{said(item, image)}</li>
          ))}
        </List>
      );
    }
    case "table":
      return (
        <Cells
          label="Table"
          head={of.head.map((cell) => said(cell, image))}
          rows={of.rows.map((row) => row.map((cell) => said(cell, image)))}
        />
      );
    default:
      return of.language === "plot" ? <Figures text={of.text} /> : <pre>{of.text}</pre>;
  }
}

function Figures({ text }: { text: string }) {
  const found = figures(text);
  if (found === null) return <pre>{text}</pre>;
  const [along = "", ...names] = found.names;
  const [places = [], ...columns] = found.columns;
  return (
    <Suspense fallback={<Loading of="the figure" />}>
      <Plot
        title={`${names.join(", ")} over ${along}`}
        along={along}
        data={[places, ...columns]}
        lines={names.map((label, colour) => ({ label, colour: colour % 8 }))}
      />
    </Suspense>
  );
}

function said(of: readonly Inline[], image: Image): ReactNode {
  return of.map((one, at) => {
    switch (one.kind) {
      case "code":
        return <code key={at}>{one.text}</code>;
      case "strong":
        return <strong key={at}>{one.text}</strong>;
      case "em":
        return <em key={at}>{one.text}</em>;
      case "image": {
        const from = image(one.to);
        return from ? <img key={at} src={from} alt={one.text} /> : <i key={at}>{one.text}</i>;
      }
      case "link": // elsewhere is said, not led to: a page of results is no way out
        return /^\/(?![/\\])/.test(one.to) ? (
          <Link key={at} href={one.to}>
            {one.text}
          </Link>
        ) : (
          <span key={at}>{`${one.text} (${one.to})`}</span>
        );
      default:
        return <span key={at}>{one.text}</span>;
    }
  });
}
