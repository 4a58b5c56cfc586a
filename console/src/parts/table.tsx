import type { ReactNode } from "react";
import { Button } from "./form";
import style from "./table.module.css";

export interface Column<T> {
  /** Names the column to the service where one can sort by it. */
  key: string;
  title: string;
  cell: (row: T) => ReactNode;
  number?: boolean;
  sortable?: boolean;
  /** Left out where there is little room. */
  minor?: boolean;
  /** Fills what room the others leave. */
  wide?: boolean;
  /** Its parts stay on one line where there is room. */
  tight?: boolean;
}

interface Props<T> {
  caption: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  id: (row: T) => string;
  /** `name` or `-name` for the other way round. */
  order?: string;
  onOrder?: (order: string) => void;
  chosen?: string | null;
}

/** A table whose head stays in sight; it scrolls in itself where it is too wide. */
export function Table<T>({ caption, columns, rows, id, order, onOrder, chosen }: Props<T>) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keyboard
    <section className={style.wide} aria-label={caption} tabIndex={0}>
      <table className={style.table}>
        <caption className="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <Head key={column.key} column={column} order={order} onOrder={onOrder} />
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={id(row)} className={id(row) === chosen ? style.chosen : undefined}>
              {columns.map((column) => (
                <td key={column.key} className={names(column)}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

interface HeadProps<T> {
  column: Column<T>;
  order?: string | undefined;
  onOrder?: ((order: string) => void) | undefined;
}

function Head<T>({ column, order, onOrder }: HeadProps<T>) {
  const up = order === column.key;
  const down = order === `-${column.key}`;
  if (!column.sortable || !onOrder) {
    return (
      <th scope="col" className={names(column)}>
        {column.title || <span className="hidden">What to do</span>}
      </th>
    );
  }
  return (
    <th
      scope="col"
      className={names(column)}
      aria-sort={up ? "ascending" : down ? "descending" : "none"}
    >
      <button type="button" onClick={() => onOrder(down ? column.key : `-${column.key}`)}>
        {column.title}
        <span aria-hidden="true">{up ? " ↑" : down ? " ↓" : ""}</span>
      </button>
    </th>
  );
}

function names<T>({ number, minor, wide, tight }: Column<T>): string {
  return [
    number && style.number,
    minor && style.minor,
    wide && style.fill,
    tight && style.tight,
  ]
    .filter(Boolean)
    .join(" ");
}

interface PagerProps {
  /** What is on the pages. */
  of: string;
  /** Which of it is on this one. */
  shown: string;
  before: string;
  after: string;
  /** None where this page is the first, or the last. */
  onBefore: (() => void) | null;
  onAfter: (() => void) | null;
}

/** Leads from page to page of what is too long for one. */
export function Pager({ of, shown, before, after, onBefore, onAfter }: PagerProps) {
  return (
    <nav className={style.pager} aria-label={of}>
      <Button small plain disabled={!onBefore} onClick={() => onBefore?.()}>
        {before}
      </Button>
      <span className="number">{shown}</span>
      <Button small plain disabled={!onAfter} onClick={() => onAfter?.()}>
        {after}
      </Button>
    </nav>
  );
}

interface CellsProps {
  label: string;
  head: readonly ReactNode[];
  rows: readonly (readonly ReactNode[])[];
}

/** What somebody's file holds as a table, as it is. */
export function Cells({ label, head, rows }: CellsProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keyboard
    <section className={style.cells} tabIndex={0} aria-label={label}>
      <table>
        <thead>
          <tr>
            {head.map((cell, at) => (
              <th key={at} scope="col">
                {cell}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, place) => (
            <tr key={place}>
              {row.map((cell, at) => (
                <td key={at}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
