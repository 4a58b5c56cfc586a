import { useState } from "react";
import { useLocation, useSearch } from "wouter";
import { useAct } from "../../api/act";
import { send } from "../../api/client";
import { Button, Field, Input } from "../../parts/form";
import { Failure } from "../../parts/note";
import { Card, Page } from "../../parts/page";
import { bytes, several } from "../../parts/say";
import { remember, start, useChoice } from "./choice";
import { Files, Whose } from "./choosing";
import { Going } from "./going";

/** Data through the browser: choose, say whose they are, send; sealed as they come. */
export default function Add() {
  const said = new URLSearchParams(useSearch());
  const upload = said.get("upload");
  return upload ? <Going upload={upload} /> : <Begin name={said.get("name") ?? ""} />;
}

function Begin({ name: given }: { name: string }) {
  const [name, setName] = useState(given);
  const [, go] = useLocation();
  const begin = useAct(
    (to: string) => send<{ upload: string }>("POST", "/uploads", { name: to }),
    ["uploads"],
  );
  const choice = useChoice();
  const ready = name.trim() !== "" && choice.chosen.length > 0;
  return (
    <Page
      title={given ? `Add to ${given}` : "Add data"}
      about="Each piece is sealed as it arrives. If the connection breaks or the tab is closed, it goes on where it was."
    >
      {begin.error ? <Failure error={begin.error} /> : null}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          begin.mutate(name.trim(), {
            onSuccess: ({ upload }) => {
              remember(upload, choice);
              start(upload, choice);
              go(`/data/add?upload=${upload}`);
            },
          });
        }}
      >
        <Card title="1. Which files">
          <Field
            label="Dataset"
            hint="A letter, then letters, digits, '-', '_' or '.'. Names are not sealed: no patient's name here."
          >
            <Input
              value={name}
              onChange={(event) => setName(event.target.value)}
              required
              pattern="[A-Za-z][A-Za-z0-9._\-]*"
              maxLength={64}
              readOnly={given !== ""}
              placeholder="chest-ward3"
            />
          </Field>
          <Files choice={choice} />
        </Card>
        <Whose choice={choice} />
        <p>
          <Button type="submit" busy={begin.isPending} disabled={!ready}>
            Send and add
          </Button>{" "}
          <span className="soft">
            {choice.chosen.length
              ? `${several(choice.chosen.length, "file")}, ${bytes(choice.size)}`
              : "choose a folder or files first"}
          </span>
        </p>
      </form>
    </Page>
  );
}
