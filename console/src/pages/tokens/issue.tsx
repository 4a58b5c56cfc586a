import { type FormEvent, useRef, useState } from "react";
import { useAct } from "../../api/act";
import { send } from "../../api/client";
import { useMe } from "../../api/me";
import { Button, Check, Field, Input, Row, Select } from "../../parts/form";
import { Failure, Note } from "../../parts/note";
import { Card } from "../../parts/page";
import { moment } from "../../parts/say";
import style from "./tokens.module.css";

export interface Issued {
  token: string;
  secret: string;
  whose: string;
  expires: string;
}

const SPANS: readonly (readonly [number, string])[] = [
  [1, "a day"],
  [7, "a week"],
  [30, "30 days"],
  [90, "90 days"],
  [365, "a year"],
];

/** A token for oneself. */
export function Issue({ onIssued }: { onIssued: (made: Issued) => void }) {
  const me = useMe();
  const issue = useAct(
    (said: { purpose: string; days: number; scopes: string[] }) =>
      send<Issued>("POST", "/tokens", said),
    ["tokens"],
  );
  const able = me?.actions.filter((action) => !me.grave.includes(action)) ?? [];
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const said = new FormData(form);
    issue.mutate(
      {
        purpose: String(said.get("purpose")),
        days: Number(said.get("days")),
        scopes: said.getAll("scope").map(String),
      },
      {
        onSuccess: (made) => {
          form.reset();
          onIssued(made);
        },
      },
    );
  };
  return (
    <Card title="A new token">
      <form onSubmit={submit}>
        {issue.error ? <Failure error={issue.error} /> : null}
        <Row>
          <Field label="What it is for">
            <Input name="purpose" required maxLength={80} autoComplete="off" />
          </Field>
          <Field label="Good for">
            <Select name="days" defaultValue="90">
              {SPANS.map(([days, words]) => (
                <option key={days} value={days}>
                  {words}
                </option>
              ))}
            </Select>
          </Field>
        </Row>
        <fieldset className={style.scopes}>
          <legend>It may (all of these, if none is chosen; nothing that needs a person)</legend>
          {able.map((action) => (
            <Check key={action} label={action} name="scope" value={action} />
          ))}
        </fieldset>
        <Button type="submit" busy={issue.isPending}>
          Issue it
        </Button>
      </form>
    </Card>
  );
}

/** The one time that a token's secret is shown. */
export function Secret({ of, onDone }: { of: Issued; onDone: () => void }) {
  const [said, setSaid] = useState<string | null>(null);
  const text = useRef<HTMLElement>(null);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(of.secret);
      setSaid("Copied.");
    } catch {
      // The browser keeps its clipboard to itself: what is chosen is copied by hand.
      if (text.current) window.getSelection()?.selectAllChildren(text.current);
      setSaid("This browser does not let a page copy: it is marked, copy it yourself.");
    }
  };
  return (
    <Note kind="good">
      <p>
        <strong>Copy it now: it is shown this once and kept nowhere.</strong> It is good until{" "}
        {moment(of.expires)}, as {of.whose}.
      </p>
      <p className={style.secret}>
        <code ref={text}>{of.secret}</code>
        <Button small autoFocus onClick={() => void copy()}>
          Copy
        </Button>
        <Button small plain onClick={onDone}>
          I have it
        </Button>
      </p>
      {said ? <p className="soft">{said}</p> : null}
    </Note>
  );
}
