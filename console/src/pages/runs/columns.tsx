import { useState } from "react";
import { Dialog } from "../../parts/dialog";
import { Filter } from "../../parts/filter";
import { Button, Check } from "../../parts/form";
import { Failure } from "../../parts/note";
import { useColumns } from "./asking";
import style from "./runs.module.css";

const MOST = 12;
const KINDS = { metrics: "Metrics", params: "Parameters", tags: "Tags" } as const;

interface Props {
  chosen: readonly string[];
  onChange: (columns: string[]) => void;
}

/** Which metrics, parameters and tags the table shows: searched, for there may be thousands. */
export function Columns({ chosen, onChange }: Props) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button small plain onClick={() => setOpen(true)}>
        {`Columns (${chosen.length})`}
      </Button>
      {open ? (
        <Choice chosen={chosen} onChange={onChange} onClose={() => setOpen(false)} />
      ) : null}
    </>
  );
}

function Choice({ chosen, onChange, onClose }: Props & { onClose: () => void }) {
  const [filter, setFilter] = useState("");
  const found = useColumns(filter, 40);
  const toggle = (name: string) =>
    onChange(chosen.includes(name) ? chosen.filter((one) => one !== name) : [...chosen, name]);
  const box = (name: string) => (
    <Check
      key={name}
      label={name.slice(name.indexOf(".") + 1)}
      checked={chosen.includes(name)}
      disabled={!chosen.includes(name) && chosen.length >= MOST}
      onChange={() => toggle(name)}
    />
  );
  return (
    <Dialog title="Columns" onClose={onClose}>
      <Filter label="Find a metric, parameter or tag" value={filter} onChange={setFilter} />
      <div className={style.choice}>
        {chosen.length ? (
          <>
            <h3>Shown</h3>
            {chosen.map(box)}
          </>
        ) : null}
        {(Object.keys(KINDS) as (keyof typeof KINDS)[]).map((kind) => {
          const names = (found.data?.items ?? [])
            .filter((one) => one.kind === kind)
            .map((one) => `${kind}.${one.name}`)
            .filter((name) => !chosen.includes(name));
          if (names.length === 0) return null;
          return (
            <section key={kind}>
              <h3>{KINDS[kind]}</h3>
              {names.map(box)}
            </section>
          );
        })}
        {found.data?.items.length === 0 ? <p className="soft">No name holds that.</p> : null}
        {found.isError ? <Failure error={found.error} /> : null}
      </div>
      <p className="soft">{`At most ${MOST}. What is not named here is found by typing a part of its name.`}</p>
      <Button onClick={onClose}>Done</Button>
    </Dialog>
  );
}
