import { type FormEvent, useState } from "react";
import { useAct } from "../../api/act";
import { send } from "../../api/client";
import { Dialog } from "../../parts/dialog";
import { Button, Field, Input } from "../../parts/form";
import { Failure } from "../../parts/note";
import { useViews } from "./asking";
import style from "./runs.module.css";
import type { Asked } from "./types";

interface Props {
  asked: Asked;
  onChoose: (asked: Asked) => void;
}

/** Views of the table that whoever looks keeps for themselves. */
export function Views({ asked, onChoose }: Props) {
  const [open, setOpen] = useState(false);
  const views = useViews().data?.items ?? [];
  const choose = (name: string) => {
    const view = views.find((one) => one.name === name);
    if (view)
      onChoose({
        filter: view.filter,
        order: view.order,
        columns: view.columns,
        experiment: view.experiment,
      });
  };
  return (
    <>
      {views.length ? (
        <label className={style.views}>
          <span className="hidden">Saved view</span>
          <select value="" onChange={(event) => choose(event.target.value)}>
            <option value="" disabled>
              Views…
            </option>
            {views.map((one) => (
              <option key={one.name}>{one.name}</option>
            ))}
          </select>
        </label>
      ) : null}
      <Button small plain onClick={() => setOpen(true)}>
        Save view
      </Button>
      {open ? (
        <Save
          asked={asked}
          names={views.map((one) => one.name)}
          onClose={() => setOpen(false)}
        />
      ) : null}
    </>
  );
}

function Save({
  asked,
  names,
  onClose,
}: {
  asked: Asked;
  names: string[];
  onClose: () => void;
}) {
  const [name, setName] = useState("");
  const save = useAct(
    (body: Asked & { name: string }) => send("PUT", "/runs-views", { ...body }),
    ["runs-views"],
  );
  const remove = useAct(
    (gone: string) => send("DELETE", "/runs-views", { name: gone }),
    ["runs-views"],
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate({ ...asked, name }, { onSuccess: onClose });
  };
  return (
    <Dialog title="Save this view" onClose={onClose}>
      <p className="soft">Its filter, order and columns, for you alone.</p>
      <form onSubmit={submit}>
        <Field
          label="Name"
          hint={names.includes(name) ? "takes the place of the view of that name" : null}
        >
          <Input
            value={name}
            onChange={(event) => setName(event.target.value)}
            maxLength={80}
            required
            autoFocus
          />
        </Field>
        {save.isError ? <Failure error={save.error} /> : null}
        <Button type="submit" busy={save.isPending}>
          Save
        </Button>{" "}
        <Button plain onClick={onClose}>
          Cancel
        </Button>
      </form>
      {names.length ? (
        <>
          <h3>Your views</h3>
          <ul className={style.kept}>
            {names.map((one) => (
              <li key={one}>
                {one}
                <Button
                  small
                  plain
                  danger
                  onClick={() => remove.mutate(one)}
                  aria-label={`remove ${one}`}
                >
                  Remove
                </Button>
              </li>
            ))}
          </ul>
        </>
      ) : null}
      {remove.isError ? <Failure error={remove.error} /> : null}
    </Dialog>
  );
}
