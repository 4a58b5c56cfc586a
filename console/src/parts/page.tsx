import { type ReactNode, useEffect } from "react";
import style from "./page.module.css";

interface Props {
  /** Names the object; also the window's title. */
  title: string;
  /** What kind of thing it is, above its name. */
  kind?: ReactNode;
  /** One quiet line below. */
  about?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

/** A page: what it is about first, what can be done beside it. */
export function Page({ title, kind, about, actions, children }: Props) {
  useEffect(() => {
    document.title = `${title} · Cloister`;
  }, [title]);
  return (
    <>
      <header className={style.head}>
        <div className={style.name}>
          {kind ? <p className={style.kind}>{kind}</p> : null}
          <h1>{title}</h1>
          {about ? <p className={style.about}>{about}</p> : null}
        </div>
        {actions ? <div className={style.actions}>{actions}</div> : null}
      </header>
      {children}
    </>
  );
}

/** What a thing is, in a few words side by side. */
export function Line({ children }: { children: ReactNode }) {
  return <span className={style.line}>{children}</span>;
}

interface CardProps {
  title?: string;
  /** In line with the title, at its end. */
  beside?: ReactNode;
  children: ReactNode;
}

/** A part of a page, on paper of its own. */
export function Card({ title, beside, children }: CardProps) {
  const head = title ? <h2>{title}</h2> : null;
  return (
    <section className={style.card}>
      {beside ? (
        <div className={style.top}>
          {head}
          {beside}
        </div>
      ) : (
        head
      )}
      {children}
    </section>
  );
}

/** Cards side by side where there is room. */
export function Grid({ children }: { children: ReactNode }) {
  return <div className={style.grid}>{children}</div>;
}

/** Names and values, aligned. */
export function Facts({ of }: { of: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className={style.facts}>
      {of.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Filters and choices above a table. */
export function Bar({ children }: { children: ReactNode }) {
  return <div className={style.bar}>{children}</div>;
}
