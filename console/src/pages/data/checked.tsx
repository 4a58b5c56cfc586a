import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { address, get, type Listed } from "../../api/client";
import { type Found, type ListedFinding, type VersionPage, versionPath } from "../../api/data";
import { Button } from "../../parts/form";
import { Badge, Failure } from "../../parts/note";
import { Card } from "../../parts/page";
import { count, Id, Moment } from "../../parts/say";
import style from "./data.module.css";
import { toneOf } from "./findings";

const SHOWN = 8;

/** What the last check found; which records, and pictures of them, where asked for. */
export function Checked({ page }: { page: VersionPage }) {
  const [named, setNamed] = useState(false);
  const { version, checked, findings, may } = page;
  const { data, error, isFetching } = useQuery({
    queryKey: ["findings", version.dataset, version.number, checked],
    queryFn: () => get<Listed<ListedFinding>>(`${versionPath(version)}/findings/list`),
    enabled: named,
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (checked === null) {
    return (
      <Card title="Checks">
        <p className="soft">
          Nobody has checked this version. On the machine:{" "}
          <code>
            cloister check {version.dataset}@{version.number}
          </code>
        </p>
      </Card>
    );
  }
  const shown: (Found | ListedFinding)[] = data?.items ?? findings;
  return (
    <Card title="Checks">
      <p className="soft">
        Checked <Moment at={checked} />
        {findings.length ? "" : ": nothing was found."}
      </p>
      {error ? <Failure error={error} /> : null}
      {shown.map((one, index) => (
        <Finding key={`${one.code} ${index}`} of={one} />
      ))}
      {findings.length && may.read && !data ? (
        <p>
          <Button plain small busy={isFetching} onClick={() => setNamed(true)}>
            Show which records
          </Button>{" "}
          <span className="soft">opens the sealed list, which is recorded</span>
        </p>
      ) : null}
    </Card>
  );
}

function Finding({ of }: { of: Found | ListedFinding }) {
  const [pictures, setPictures] = useState(false);
  const records = "records" in of ? of.records : [];
  return (
    <section className={style.finding}>
      <h3>
        <Badge kind={toneOf(of.severity)}>{of.severity}</Badge>
        <span>
          {of.title}
          {"where" in of && of.where ? (
            <>
              : <code>{of.where}</code>
            </>
          ) : null}{" "}
          <span className="soft">{of.code}</span>
        </span>
        <span className="number">{count(of.count)}</span>
      </h3>
      {"detail" in of && of.detail ? <p>{of.detail}</p> : null}
      <p className="soft">{of.advice}</p>
      {records.length ? (
        pictures ? (
          <ul className={style.pictures}>
            {records.slice(0, 4 * SHOWN).map((record) => (
              <li key={record}>
                <Picture of={record} />
                <Id of={record} short={10} />
              </li>
            ))}
          </ul>
        ) : (
          <>
            <p>
              {records.slice(0, SHOWN).map((record) => (
                <span key={record}>
                  <Id of={record} short={16} />{" "}
                </span>
              ))}
              {of.count > SHOWN ? <span className="soft">and more</span> : null}
            </p>
            <p>
              <Button plain small onClick={() => setPictures(true)}>
                Look at them
              </Button>{" "}
              <span className="soft">each picture is a recorded reading</span>
            </p>
          </>
        )
      ) : null}
    </section>
  );
}

function Picture({ of }: { of: string }) {
  const [none, setNone] = useState(false);
  if (none) return <span className={style.nopicture}>no picture</span>;
  return (
    <img
      src={address(`/records/${of}/picture`)}
      alt={`record ${of}`}
      width={96}
      height={96}
      loading="lazy"
      onError={() => setNone(true)}
    />
  );
}
