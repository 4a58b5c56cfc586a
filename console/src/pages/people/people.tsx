import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useAct } from "../../api/act";
import { get, type Listed, send } from "../../api/client";
import { useMay, useMe } from "../../api/me";
import { Button, Field, Input, Row, Select } from "../../parts/form";
import { Failure, Loading, Note } from "../../parts/note";
import { Card, Page } from "../../parts/page";
import { moment } from "../../parts/say";
import { Sure } from "../../parts/sure";
import { Table } from "../../parts/table";
import { useLive } from "../../shell/live";

interface Member {
  person: string;
  name: string;
  role: string;
  ways: string[];
  projects: string[];
}
interface Invitation {
  path: string;
  expires: string;
}

/** Who belongs to the team, and for admins, what to change about it. */
export default function People() {
  const may = useMay("people");
  const me = useMe();
  const [invited, setInvited] = useState<(Invitation & { name: string }) | null>(null);
  const { data, error, refetch } = useQuery({
    queryKey: ["people"],
    queryFn: () => get<Listed<Member>>("/people"),
  });
  useLive("people", ["people"]);
  const role = useAct(
    (to: { person: string; role: string }) =>
      send("PATCH", `/people/${to.person}`, { role: to.role }),
    ["people"],
  );
  const invite = useAct(
    async (member: Member) => ({
      ...(await send<Invitation>("POST", `/people/${member.person}/invite`)),
      name: member.name,
    }),
    ["people"],
  );
  const remove = useAct(
    (member: Member) => send("DELETE", `/people/${member.person}`),
    ["people"],
  );
  const failed = error ?? role.error ?? invite.error ?? remove.error;
  return (
    <Page title="People" about="Who works in this lab, in which role, and what they see.">
      {failed ? <Failure error={failed} again={() => void refetch()} /> : null}
      {invited ? <Link invited={invited} /> : null}
      {data ? (
        <Table
          caption="Members"
          rows={data.items}
          id={(member) => member.person}
          columns={[
            {
              key: "name",
              title: "Name",
              wide: true,
              cell: (member) => (
                <>
                  {member.name}
                  {member.person === me?.person ? <span className="soft"> (you)</span> : null}
                </>
              ),
            },
            {
              key: "role",
              title: "Role",
              cell: (member) =>
                may ? (
                  <RoleChoice
                    value={member.role}
                    label={`Role of ${member.name}`}
                    onChange={(to) => role.mutate({ person: member.person, role: to })}
                  />
                ) : (
                  member.role
                ),
            },
            {
              key: "ways",
              title: "Logs in with",
              minor: true,
              cell: (member) =>
                member.ways.join(", ") || <span className="soft">nothing yet</span>,
            },
            {
              key: "projects",
              title: "Projects",
              minor: true,
              cell: (member) =>
                member.projects.join(", ") || <span className="soft">none</span>,
            },
            ...(may
              ? [
                  {
                    key: "do",
                    title: "",
                    tight: true,
                    cell: (member: Member) => (
                      <Acts
                        member={member}
                        onInvite={() => invite.mutate(member, { onSuccess: setInvited })}
                        busy={remove.isPending && remove.variables === member}
                        onRemove={() => remove.mutate(member)}
                      />
                    ),
                  },
                ]
              : []),
          ]}
        />
      ) : error ? null : (
        <Loading of="the team" />
      )}
      {may ? <New onInvited={setInvited} /> : null}
    </Page>
  );
}

interface ActsProps {
  member: Member;
  busy: boolean;
  onInvite: () => void;
  onRemove: () => void;
}

function Acts({ member, busy, onInvite, onRemove }: ActsProps) {
  return (
    <>
      <Button small plain aria-label={`Invite ${member.name} anew`} onClick={onInvite}>
        Invite
      </Button>{" "}
      <Sure label="Remove" what={member.name} busy={busy} onYes={onRemove} />
    </>
  );
}

function Link({ invited }: { invited: Invitation & { name: string } }) {
  return (
    <Note kind="good">
      <p>
        Give this link to <strong>{invited.name}</strong>, and to nobody else. It is good once,
        until {moment(invited.expires)}.
      </p>
      <code>{window.location.origin + invited.path}</code>
    </Note>
  );
}

function New({ onInvited }: { onInvited: (invited: Invitation & { name: string }) => void }) {
  const add = useAct(
    (member: { name: string; role: string }) =>
      send<Member & { invitation: Invitation }>("POST", "/people", member),
    ["people"],
  );
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const said = new FormData(form);
    add.mutate(
      { name: String(said.get("name")), role: String(said.get("role")) },
      {
        onSuccess: (made) => {
          form.reset();
          onInvited({ ...made.invitation, name: made.name });
        },
      },
    );
  };
  return (
    <Card title="A new member">
      <form onSubmit={submit}>
        {add.error ? <Failure error={add.error} /> : null}
        <Row>
          <Field label="Name">
            <Input name="name" required maxLength={64} autoComplete="off" />
          </Field>
          <Field label="Role">
            <RoleSelect name="role" defaultValue="engineer" />
          </Field>
          <Button type="submit" busy={add.isPending}>
            Add and invite
          </Button>
        </Row>
      </form>
    </Card>
  );
}

interface Role {
  role: string;
  actions: string[];
}

function RoleSelect(props: React.ComponentProps<typeof Select>) {
  const { data } = useQuery({
    queryKey: ["roles"],
    queryFn: () => get<Listed<Role>>("/roles"),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const names = data?.items.map((one) => one.role).filter((one) => one !== "service") ?? [];
  const { value, defaultValue } = props;
  const shown = names.length ? names : [String(value ?? defaultValue)];
  return (
    <Select {...props} key={shown.length}>
      {shown.map((name) => (
        <option key={name}>{name}</option>
      ))}
    </Select>
  );
}

interface ChoiceProps {
  value: string;
  label: string;
  onChange: (role: string) => void;
}

function RoleChoice({ value, label, onChange }: ChoiceProps) {
  return (
    <RoleSelect
      aria-label={label}
      value={value}
      onChange={(event) => onChange(event.target.value)}
    />
  );
}
