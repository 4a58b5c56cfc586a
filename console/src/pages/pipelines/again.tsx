import { type FormEvent, useState } from "react";
import { useLocation } from "wouter";
import { useAct } from "../../api/act";
import { send } from "../../api/client";
import { Button, Check, Field, Input, Row } from "../../parts/form";
import { Failure } from "../../parts/note";
import { Card } from "../../parts/page";
import type { Parameter } from "./types";

export interface Begun {
  flow: string;
  waits: boolean;
}

/** Begins a run of a pipeline, and goes to its page. */
export function useBegin(path: string) {
  const [, go] = useLocation();
  return useAct(
    async (said: Readonly<Record<string, unknown>>) => {
      const begun = await send<Begun>("POST", path, said);
      go(`/flows/${begun.flow}${begun.waits ? "?asked" : ""}`);
      return begun;
    },
    ["pipelines", "pipeline", "flow"],
  );
}

interface Props {
  /** Of this pipeline, the run that is run again. */
  flow: string;
  parameters: readonly Parameter[];
  onClose?: () => void;
}

/** The pipeline once more, with what its parameters are to be. */
export function Again({ flow, parameters, onClose }: Props) {
  const begin = useBegin(`/flows/${flow}/again`);
  const [anew, setAnew] = useState(false);
  const ask = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const said = parameters.map((one) => [one.name, told(one, form.get(one.name))]);
    begin.mutate({ anew, parameters: Object.fromEntries(said) });
  };
  return (
    <Card title="Run it again">
      <form onSubmit={ask} aria-label="Run it again">
        <Row>
          {parameters.map((one) => (
            <Given key={one.name} of={one} />
          ))}
        </Row>
        <Check
          label="Use no earlier result again"
          checked={anew}
          onChange={(event) => setAnew(event.target.checked)}
        />
        {begin.isError ? <Failure error={begin.error} /> : null}
        <Row>
          <Button type="submit" busy={begin.isPending}>
            Run it
          </Button>
          {onClose ? (
            <Button plain onClick={onClose}>
              Not now
            </Button>
          ) : null}
        </Row>
      </form>
    </Card>
  );
}

function Given({ of }: { of: Parameter }) {
  if (of.kind === "bool")
    return (
      <Check name={of.name} label={of.text || of.name} defaultChecked={of.value === true} />
    );
  const number = of.kind === "int" || of.kind === "float";
  return (
    <Field label={of.name} hint={[of.text, `else ${of.default}`].filter(Boolean).join("; ")}>
      <Input
        name={of.name}
        defaultValue={String(of.value ?? "")}
        {...(number
          ? { type: "number", step: of.kind === "int" ? 1 : "any", required: true }
          : {})}
      />
    </Field>
  );
}

function told(of: Parameter, said: FormDataEntryValue | null): string {
  if (of.kind === "bool") return said === null ? "false" : "true";
  return String(said ?? "");
}
