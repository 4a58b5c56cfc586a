import { useQuery } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { useAct } from "../../api/act";
import { get, type Listed, send } from "../../api/client";
import { useMay, useMe } from "../../api/me";
import { Button, Field, Input, Row, Select } from "../../parts/form";
import { Empty, Failure, Loading } from "../../parts/note";
import { Card, Page } from "../../parts/page";
import { Sure } from "../../parts/sure";
import { useLive } from "../../shell/live";
import style from "./projects.module.css";

interface Project {
  project: string;
  name: string;
  /** Names. */
  members: string[];
}
interface Person {
  person: string;
  name: string;
  role: string;
}

const STALE = ["projects", "people", "me"];
/** Roles that see every project, members or not. */
const EVERYWHERE: readonly string[] = ["admin", "auditor"];

/** What some work on and others do not see. */
export default function Projects() {
  const may = useMay("people");
  const { data, error, refetch } = useQuery({
    queryKey: ["projects"],
    queryFn: () => get<Listed<Project>>("/projects"),
  });
  const people = useQuery({
    queryKey: ["people"],
    queryFn: () => get<Listed<Person>>("/people"),
    enabled: may,
  });
  useLive("people", ["projects"]);
  useLive("people", ["people"]);
  return (
    <Page
      title="Projects"
      about="Data, runs and models of a project are seen by its members; by admins and auditors always."
    >
      {error ? <Failure error={error} again={() => void refetch()} /> : null}
      {people.error ? (
        <Failure error={people.error} again={() => void people.refetch()} />
      ) : null}
      {data ? null : error ? null : <Loading of="the projects" />}
      {data?.items.length === 0 ? (
        <Empty title="You are in no project">
          <p>Whoever looks after people adds you to one; what is in it then appears here.</p>
        </Empty>
      ) : null}
      {data?.items.map((one) => (
        <One key={one.project} project={one} people={people.data?.items ?? []} may={may} />
      ))}
      {may ? <New /> : null}
    </Page>
  );
}

interface OneProps {
  project: Project;
  people: readonly Person[];
  may: boolean;
}

function One({ project, people, may }: OneProps) {
  const me = useMe();
  const where = (person: string) => `/projects/${project.project}/members/${person}`;
  const leave = useAct((person: string) => send("DELETE", where(person)), STALE);
  const join = useAct((person: string) => send("PUT", where(person), {}), STALE);
  const failed = leave.error ?? join.error;
  return (
    <Card title={project.name}>
      {failed ? <Failure error={failed} /> : null}
      {project.members.length ? (
        <ul className={style.members} aria-label={`Members of ${project.name}`}>
          {project.members.map((name) => {
            const person = people.find((other) => other.name === name);
            return (
              <li key={name}>
                <span>
                  {name}
                  {name === me?.name ? <span className="soft"> (you)</span> : null}
                </span>
                {may && person ? (
                  <span>
                    <Sure
                      label="Remove"
                      what={`${name} from ${project.name}`}
                      busy={leave.isPending && leave.variables === person.person}
                      onYes={() => leave.mutate(person.person)}
                    />
                  </span>
                ) : null}
              </li>
            );
          })}
        </ul>
      ) : (
        <p className="soft">No members yet: only admins and auditors see what is in it.</p>
      )}
      {may ? (
        <Add
          project={project}
          people={people.filter((one) => !project.members.includes(one.name))}
          busy={join.isPending}
          onAdd={(person) => join.mutate(person)}
        />
      ) : null}
    </Card>
  );
}

interface AddProps {
  project: Project;
  /** Who is not in it yet. */
  people: readonly Person[];
  busy: boolean;
  onAdd: (person: string) => void;
}

function Add({ project, people, busy, onAdd }: AddProps) {
  if (people.length === 0) return <p className="soft">Everybody of the team is in it.</p>;
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    onAdd(String(new FormData(event.currentTarget).get("person")));
  };
  return (
    <form onSubmit={submit} aria-label={`Add to ${project.name}`}>
      <Row>
        <Field label={`Add to ${project.name}`}>
          <Select name="person" required>
            {people.map((one) => (
              <option key={one.person} value={one.person}>
                {one.name} ({one.role}
                {EVERYWHERE.includes(one.role) ? ", sees it anyway" : ""})
              </option>
            ))}
          </Select>
        </Field>
        <Button type="submit" plain busy={busy}>
          Add
        </Button>
      </Row>
    </form>
  );
}

function New() {
  const make = useAct((name: string) => send<Project>("POST", "/projects", { name }), STALE);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    make.mutate(String(new FormData(form).get("name")), { onSuccess: () => form.reset() });
  };
  return (
    <Card title="A new project">
      <form onSubmit={submit}>
        <p className="soft">Its name is of a to z, 0 to 9, _ and -, and cannot be changed.</p>
        {make.error ? <Failure error={make.error} /> : null}
        <Row>
          <Field label="Name">
            <Input
              name="name"
              required
              maxLength={40}
              pattern="[a-z0-9][a-z0-9_\-]*"
              title="1 to 40 of a-z 0-9 _ -, and begins with no mark"
              autoComplete="off"
            />
          </Field>
          <Button type="submit" busy={make.isPending}>
            Make it
          </Button>
        </Row>
      </form>
    </Card>
  );
}
