import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Dialog } from "../parts/dialog";
import { Button, Field, Input } from "../parts/form";
import { Note } from "../parts/note";
import { Bar } from "../parts/page";
import { signed } from "./passkey";

/** Showing again who one is, without leaving the page: what was typed there stays. */
export function Prove({ onEnd }: { onEnd: (shown: boolean) => void }) {
  const [said, setSaid] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const queries = useQueryClient();

  const attempt = async (show: () => Promise<boolean>) => {
    setBusy(true);
    setSaid(null);
    try {
      if (await show()) {
        await queries.invalidateQueries({ queryKey: ["me"] });
        onEnd(true);
        return;
      }
      setSaid("Password or code is wrong. A code is good once: wait for the next one.");
    } catch (error) {
      const chosen = error instanceof Error && error.name === "NotAllowedError";
      setSaid(chosen ? "No passkey was chosen." : (error as Error).message);
    }
    setBusy(false);
  };
  const byPassword = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    void attempt(() => typed(String(form.get("password")), String(form.get("code"))));
  };
  return (
    <Dialog title="Show who you are" onClose={() => onEnd(false)}>
      <p className="soft">What you are about to do needs you in person.</p>
      {said ? <Note kind="bad">{said}</Note> : null}
      <form onSubmit={byPassword}>
        <Field label="Password">
          <Input name="password" type="password" autoComplete="current-password" required />
        </Field>
        <Field label="Code of your authenticator">
          <Input name="code" inputMode="numeric" autoComplete="one-time-code" required />
        </Field>
        <Bar>
          {" "}
          <Button type="submit" busy={busy}>
            It is me
          </Button>
          <Button plain onClick={() => void attempt(passkey)} disabled={busy}>
            Use a passkey
          </Button>
          <Button plain onClick={() => onEnd(false)}>
            Cancel
          </Button>
        </Bar>
      </form>
    </Dialog>
  );
}

async function typed(password: string, code: string): Promise<boolean> {
  const body = new URLSearchParams({ password, code, next: "/" });
  const answer = await fetch("/account/prove", { method: "POST", body, redirect: "manual" });
  if (answer.status === 429) throw new Error("Too many attempts failed: wait a while.");
  if (answer.status >= 500) throw new Error("The service could not check it: try again.");
  return answer.type === "opaqueredirect";
}

async function passkey(): Promise<boolean> {
  const asked = await fetch("/account/prove/passkey/options", {
    method: "POST",
    body: new URLSearchParams(),
  });
  const { options, challenge } = (await asked.json()) as {
    options: Parameters<typeof signed>[0];
    challenge: string;
  };
  const answer = JSON.stringify(await signed(options));
  const body = new URLSearchParams({ answer, challenge, next: "/" });
  const done = await fetch("/account/prove/passkey", { method: "POST", body });
  if (!done.ok) throw new Error("That passkey does not open this account.");
  return true;
}
