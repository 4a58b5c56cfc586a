import { type ChangeEvent, useEffect, useState } from "react";
import { Field, Input } from "../../parts/form";
import { Card } from "../../parts/page";
import { several } from "../../parts/say";
import type { Choice } from "./choice";
import style from "./data.module.css";
import { columnsOf, divided, tablesOf, type Way } from "./rules";

/** The files themselves, and a table of labels beside them. */
export function Files({ choice }: { choice: Choice }) {
  const pick = (event: ChangeEvent<HTMLInputElement>) => choice.choose(event.target.files);
  return (
    <>
      <div className={style.picker}>
        <label>
          A folder{" "}
          <input
            type="file"
            name="folder"
            multiple
            {...{ webkitdirectory: "" }}
            onChange={pick}
          />
        </label>
        <label>
          or files <input type="file" name="files" multiple onChange={pick} />
        </label>
      </div>
      <div className={style.picker}>
        <label>
          Labels, a table beside them (if there is one){" "}
          <input
            type="file"
            name="labels"
            accept=".csv,.tsv,text/csv"
            onChange={(event) => choice.chooseLabels(event.target.files)}
          />
        </label>
      </div>
    </>
  );
}

/** How to tell whose each file is. */
export function Whose({ choice }: { choice: Choice }) {
  const { rules, change, chosen } = choice;
  const [columns, setColumns] = useState<string[]>([]);
  const tables = tablesOf(chosen);
  useEffect(() => {
    let gone = false;
    void Promise.all(tables.slice(0, 5).map((one) => columnsOf(one.file))).then((found) => {
      if (!gone) setColumns([...new Set(found.flat())]);
    });
    return () => {
      gone = true;
    };
  }, [chosen]);
  const parts = rules.way === "pattern" ? divided(chosen, rules.pattern) : null;
  const ways: [Way, string][] = [
    ["pattern", "a part of each path says"],
    ["column", "a column of the tables says"],
    ["dicom", "the DICOM files say themselves"],
    ["none", "nobody knows yet: set them aside"],
  ];
  return (
    <Card title="2. Whose each file is">
      <fieldset className={style.choice}>
        <legend>The patient's id</legend>
        {ways.map(([way, title]) => (
          <label key={way}>
            <input
              type="radio"
              name="way"
              value={way}
              checked={rules.way === way}
              onChange={() => change({ way })}
            />
            {title}
          </label>
        ))}
      </fieldset>
      {rules.way === "pattern" ? (
        <Field
          label="Pattern on paths"
          hint={
            chosen.length === 0
              ? "Its first group is the id: ^([^/]+)/ takes the first folder."
              : parts
                ? `${several(parts.subjects, "patient")}${parts.example ? `, such as ${parts.example}` : ""}; ${several(parts.nobody, "file")} of nobody, set aside.`
                : null
          }
          wrong={parts || chosen.length === 0 ? null : "That is no pattern yet."}
        >
          <Input
            value={rules.pattern}
            onChange={(event) => change({ pattern: event.target.value })}
            spellCheck={false}
            required
          />
        </Field>
      ) : null}
      {rules.way === "column" ? (
        <Field label="Column" hint={columns.length ? `There are: ${columns.join(", ")}` : null}>
          <Input
            value={rules.column}
            list="columns"
            onChange={(event) => change({ column: event.target.value })}
            spellCheck={false}
            required
          />
        </Field>
      ) : null}
      <datalist id="columns">
        {columns.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      <Field label="Who gave these ids" hint="Two hospitals may give one id to two patients.">
        <Input
          value={rules.issuer}
          onChange={(event) => change({ issuer: event.target.value })}
          required
        />
      </Field>
    </Card>
  );
}
