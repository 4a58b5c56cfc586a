import {
  type ButtonHTMLAttributes,
  cloneElement,
  type InputHTMLAttributes,
  type ReactElement,
  type ReactNode,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
  useId,
} from "react";
import { Link } from "wouter";
import style from "./form.module.css";

interface Look {
  /** Beside what matters more. */
  plain?: boolean | undefined;
  small?: boolean | undefined;
  /** Takes something away. */
  danger?: boolean | undefined;
}

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement>, Look {
  busy?: boolean;
}

export function Button({ plain, small, danger, busy, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      className={look({ plain, small, danger })}
      disabled={busy || rest.disabled}
      aria-busy={busy || undefined}
    />
  );
}

interface ToProps {
  href: string;
  plain?: boolean;
  /** Saves what is there, instead of going to it. */
  saves?: boolean;
  children: ReactNode;
}

/** A link that looks like a button. */
export function To({ href, plain, saves, children }: ToProps) {
  const className = look({ plain });
  return saves ? (
    <a href={href} download className={className}>
      {children}
    </a>
  ) : (
    <Link href={href} className={className}>
      {children}
    </Link>
  );
}

function look({ plain, small, danger }: Look): string {
  const names = [
    style.button,
    plain && style.plain,
    small && style.small,
    danger && style.danger,
  ];
  return names.filter(Boolean).join(" ");
}

interface FieldProps {
  label: string;
  hint?: ReactNode;
  /** What is wrong with what was typed. */
  wrong?: string | null;
  children: ReactElement<{
    id?: string;
    "aria-describedby"?: string;
    "aria-invalid"?: boolean;
  }>;
}

/** One labelled input. */
export function Field({ label, hint, wrong, children }: FieldProps) {
  const id = useId();
  const more = hint || wrong ? { "aria-describedby": `${id}-more` } : {};
  const bad = wrong ? { "aria-invalid": true } : {};
  return (
    <div className={style.field}>
      <label htmlFor={id}>{label}</label>
      {cloneElement(children, { id, ...more, ...bad })}
      {hint || wrong ? (
        <p id={`${id}-more`} className={wrong ? style.wrong : style.hint}>
          {wrong ?? hint}
        </p>
      ) : null}
    </div>
  );
}

export function Input(props: InputHTMLAttributes<HTMLInputElement>) {
  return <input {...props} className={style.input} />;
}

export function Select(props: SelectHTMLAttributes<HTMLSelectElement>) {
  return <select {...props} className={style.input} />;
}

export function Area(props: TextareaHTMLAttributes<HTMLTextAreaElement>) {
  return <textarea {...props} className={style.input} />;
}

interface CheckProps extends InputHTMLAttributes<HTMLInputElement> {
  label: ReactNode;
}

/** A box to tick, with its label behind it. */
export function Check({ label, ...rest }: CheckProps) {
  return (
    <label className={style.check}>
      <input {...rest} type="checkbox" />
      <span>{label}</span>
    </label>
  );
}

/** Fields side by side where there is room, the button in line with them. */
export function Row({ children }: { children: ReactNode }) {
  return <div className={style.row}>{children}</div>;
}
