import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { get } from "../../api/client";
import { useMe } from "../../api/me";
import { Note, type Tone } from "../../parts/note";
import { count, Moment, span } from "../../parts/say";
import { useLive } from "../../shell/live";
import type { Place, Recovery } from "../recovery/types";

const LONG_MS = 24 * 3600 * 1000;

/** Whether the lab would come back, and whether its keys are there: first, for all rests on it. */
export function Health() {
  return (
    <>
      <Keys />
      <Backups />
    </>
  );
}

function Keys() {
  const me = useMe();
  if (me?.lab.keys === "locked")
    return (
      <Note kind="bad">
        The keys are locked: nothing that is sealed can be read. Unlock them at the machine with{" "}
        <code>cloister unlock</code>.
      </Note>
    );
  if (me?.lab.keys === "down")
    return (
      <Note kind="bad">
        The key service does not answer: nothing that is sealed can be read.
      </Note>
    );
  return null;
}

/** How much would be lost if this machine were gone now. */
function Backups() {
  const found = useQuery({
    queryKey: ["recovery"],
    queryFn: () => get<Recovery>("/recovery"),
    refetchInterval: 15_000, // how far a backup lags is no entry of the record
  });
  useLive("recovery", ["recovery"]);
  if (!found.data) return null; // what is wrong with it, its own page says
  const [kind, said] = standing(found.data.places);
  return (
    <Note kind={kind}>
      {said} <Link href="/recovery">Recovery</Link>
    </Note>
  );
}

function standing(places: readonly Place[]): readonly [Tone, ReactNode] {
  if (places.length === 0)
    return ["warn", "Nothing is saved elsewhere: if this machine is gone, all of it is gone."];
  const saved = places.filter((one) => one.saved !== null || one.lag_ms !== null);
  const best = saved.sort((one, other) => one.behind - other.behind)[0];
  if (best === undefined)
    return ["warn", "No backup is whole yet: if this machine is gone, all of it is gone."];
  const bad = places.filter((one) => one.trouble !== null || !one.there);
  const old = best.since !== null && Date.now() - Date.parse(best.since) > LONG_MS;
  return [
    bad.length || old ? "warn" : "good",
    <>
      {bad.length ? (
        <strong>
          {bad.length === 1 ? "A backup does" : `${count(bad.length)} backups do`} not answer or
          cannot be written to.{" "}
        </strong>
      ) : null}
      <Lag of={best} />
    </>,
  ];
}

function Lag({ of }: { of: Place }) {
  const each =
    of.lag_ms === null ? (
      <>
        Last backup <Moment at={of.saved} />.
      </>
    ) : (
      <>The continuous backup is {span(of.lag_ms)} behind.</>
    );
  if (of.behind === 0) return <>{each} Nothing would be lost.</>;
  return (
    <>
      {each}{" "}
      <span>
        {of.behind === 1 ? "1 change is" : `${count(of.behind)} changes are`} on this machine
        alone
        {of.since ? ", the oldest made " : null}
        {of.since ? <Moment at={of.since} /> : null}.
      </span>
    </>
  );
}
