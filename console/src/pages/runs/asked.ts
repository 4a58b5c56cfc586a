/** What of the table is asked for, as it stands in the address; and what words mean there. */
import type { Asked } from "./types";

const OPERATOR = /[=<>!]|\b(LIKE|ILIKE|IN|IS)\b/i;
const TRACKED_ID = /^[0-9a-f]{32}$/;
const FENCED_ID = /^run_[a-z0-9]+$/;

export function read(search: string): Asked {
  const said = new URLSearchParams(search);
  return {
    filter: said.get("filter") ?? "",
    order: said.get("order") ?? "",
    columns: said.getAll("column"),
    experiment: said.get("experiment") ?? "",
  };
}

export function write(asked: Asked): string {
  const said = new URLSearchParams();
  if (asked.filter) said.set("filter", asked.filter);
  if (asked.order) said.set("order", asked.order);
  if (asked.experiment) said.set("experiment", asked.experiment);
  for (const column of asked.columns) said.append("column", column);
  const text = said.toString();
  return text ? `?${text}` : "";
}

/** A filter of the grammar as it stands; words alone are looked for in names, an id is one. */
export function meant(text: string): string {
  const words = text.trim();
  if (!words || OPERATOR.test(words)) return words;
  if (TRACKED_ID.test(words)) return `attributes.run_id = '${words}'`;
  if (FENCED_ID.test(words)) return `attributes.run_id LIKE '${words}%'`;
  const quoted = words.replaceAll("'", "''").replaceAll("%", "").replaceAll("_", " ");
  return `attributes.run_name ILIKE '%${quoted}%'`;
}

/** `-key` as the table's head has it, as the grammar has it. */
export function ordered(order: string): string {
  if (!order) return "";
  const down = order.startsWith("-");
  const key = down ? order.slice(1) : order;
  const at = key.indexOf(".");
  const quoted = `${key.slice(0, at)}.\`${key.slice(at + 1)}\``;
  return `${quoted} ${down ? "DESC" : "ASC"}`;
}
