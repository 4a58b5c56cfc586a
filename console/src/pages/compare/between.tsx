import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { get, Refusal } from "../../api/client";
import { useMay } from "../../api/me";
import { Field, Row, Select } from "../../parts/form";
import { Badge, Failure, Loading, Note } from "../../parts/note";
import { Card } from "../../parts/page";
import { count } from "../../parts/say";
import type { OneRun } from "../runs/types";
import style from "./compare.module.css";
import { titleOf } from "./titles";
import type { Difference, Differing, FileChange } from "./types";

/** What made two of the runs differ: data, command, code, libraries, settings, outputs. */
export function Between({ runs }: { runs: readonly OneRun[] }) {
  const reads = useMay("read");
  const [pair, setPair] = useState<[number, number]>([0, 1]);
  const first = runs[pair[0]]?.fenced;
  const second = runs[pair[1]]?.fenced;
  const both = first && second && first.ended && second.ended;
  const found = useQuery({
    queryKey: ["difference", first?.run, second?.run],
    queryFn: ({ signal }) =>
      get<Difference>("/difference", { first: first?.run, second: second?.run }, signal),
    enabled: Boolean(reads && both),
    staleTime: Number.POSITIVE_INFINITY,
    retry: (times, error) => !(error instanceof Refusal && error.status > 0) && times < 3,
  });
  if (runs.length < 2)
    return (
      <Note>Of runs without a fence around them only what they logged can be compared.</Note>
    );
  const choice = (place: 0 | 1, label: string) => (
    <Field label={label}>
      <Select
        value={pair[place]}
        onChange={(event) => {
          const next: [number, number] = [...pair];
          next[place] = Number(event.target.value);
          setPair(next);
        }}
      >
        {runs.map((one, at) => (
          <option key={one.run} value={at}>
            {titleOf(one)}
          </option>
        ))}
      </Select>
    </Field>
  );
  return (
    <Card title="What made them differ">
      {runs.length > 2 ? (
        <Row>
          {choice(0, "From")}
          {choice(1, "To")}
        </Row>
      ) : null}
      {reads ? null : (
        <p className="soft">Code and command lines are shown to those who may read data.</p>
      )}
      {reads && !both ? (
        <p className="soft">Runs that have not ended are compared once they have.</p>
      ) : null}
      {found.isError ? (
        <Failure error={found.error} again={() => void found.refetch()} />
      ) : null}
      {found.isLoading ? <Loading of="the difference" /> : null}
      {found.data ? <Parts of={found.data} /> : null}
    </Card>
  );
}

function Parts({ of }: { of: Difference }) {
  const others = of.outputs.filter((one) => !one.same);
  const parts: readonly (readonly [string, number])[] = [
    ["Data", of.data.length],
    ["Command", of.command.length],
    ["Code", of.code.length],
    ["Libraries", of.libraries.length],
    ["Settings", of.settings.length],
    ["Outputs", others.length],
  ];
  return (
    <>
      <ul className={style.parts}>
        {parts.map(([name, differ]) => (
          <li key={name}>
            {name}{" "}
            <Badge kind={differ ? "warn" : "good"}>
              {differ ? `${count(differ)} differ` : "the same"}
            </Badge>
          </li>
        ))}
      </ul>
      <Names title="Data" of={of.data} />
      <Names title="Command" of={of.command} />
      {of.code.length ? <h3>Code</h3> : null}
      {of.code.map((file) => (
        <File key={file.path} of={file} />
      ))}
      <Names title="Libraries" of={of.libraries} />
      <Names title="Settings" of={of.settings} />
      {others.length ? (
        <>
          <h3>Outputs</h3>
          <ul className={style.outputs}>
            {others.map((one) => (
              <li key={one.path}>
                <code>{one.path}</code> <span className="soft">{one.where}</span>
              </li>
            ))}
          </ul>
          <p className="soft">
            How far apart in numbers: <code>{`cloister diff ${of.first} ${of.second}`}</code>
          </p>
        </>
      ) : null}
    </>
  );
}

function Names({ title, of }: { title: string; of: readonly Differing[] }) {
  if (of.length === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      <div className={style.scroll}>
        <table className={style.names}>
          <tbody>
            {of.map((one) => (
              <tr key={one.name}>
                <th scope="row">{one.name}</th>
                <td>
                  <del>{one.first}</del>
                </td>
                <td>
                  <ins>{one.second}</ins>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function File({ of }: { of: FileChange }) {
  return (
    <details className={style.change} open={of.lines.length < 60}>
      <summary>
        <code>{of.path}</code> <span className="soft">{of.kind}</span>
      </summary>
      {of.lines.length ? (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keyboard
        <pre tabIndex={0}>
          {of.lines.map((line, at) => (
            <span key={at} className={marked(line)}>
              {`${line}\n`}
            </span>
          ))}
        </pre>
      ) : null}
      {of.cut ? <p className="soft">The rest is left out: it is long.</p> : null}
    </details>
  );
}

function marked(line: string): string | undefined {
  if (line.startsWith("+")) return style.added;
  if (line.startsWith("-")) return style.removed;
  return line.startsWith("@@") ? style.place : undefined;
}
