import type { ReactNode } from "react";
import { Refusal } from "../api/client";
import style from "./note.module.css";
import { Said } from "./say";

export type Tone = "plain" | "good" | "warn" | "bad";

/** Something to be read before going on; what went wrong is said aloud. */
export function Note({ kind = "plain", children }: { kind?: Tone; children: ReactNode }) {
  return (
    <div
      className={`${style.note} ${style[kind]}`}
      role={kind === "bad" || kind === "warn" ? "alert" : "status"}
    >
      {children}
    </div>
  );
}

/** What was refused or failed, and what to do next. */
export function Failure({ error, again }: { error: unknown; again?: () => void }) {
  const said = error instanceof Error ? error.message : String(error);
  const hint = error instanceof Refusal ? error.hint : null;
  return (
    <Note kind="bad">
      <p className={style.said}>
        <Said text={sentence(said)} />
      </p>
      {hint ? (
        <p className={style.hint}>
          <Said text={sentence(hint)} />
        </p>
      ) : null}
      {again ? (
        <p className={style.hint}>
          <button type="button" className="link" onClick={again}>
            Try again
          </button>
        </p>
      ) : null}
    </Note>
  );
}

/** Where there is nothing yet: what would be here, and how it comes. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className={style.empty}>
      <p className={style.nothing}>{title}</p>
      {children}
    </div>
  );
}

/** Lines that stand for what is on its way. */
export function Loading({ lines = 4, of = "the page" }: { lines?: number; of?: string }) {
  return (
    <div className={style.loading} role="status">
      <span className="hidden">{of} is on its way</span>
      {Array.from({ length: lines }, (_, index) => (
        <span key={index} className={style.line} />
      ))}
    </div>
  );
}

/** One word about a thing's state. */
export function Badge({ kind = "plain", children }: { kind?: Tone; children: ReactNode }) {
  return <span className={`${style.badge} ${style[kind]}`}>{children}</span>;
}

function sentence(text: string): string {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?:]$/.test(first) ? first : `${first}.`;
}
