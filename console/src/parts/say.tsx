import { useEffect, useState } from "react";
import style from "./say.module.css";

const DAY_S = 86_400;
const UNITS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ["year", 365 * DAY_S],
  ["month", 30 * DAY_S],
  ["day", DAY_S],
  ["hour", 3600],
  ["minute", 60],
];
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** How long ago a time is, or how soon; the time itself on hover and for who listens. */
export function Moment({ at }: { at: string | number | null }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), 30_000);
    return () => window.clearInterval(timer);
  }, []);
  if (at === null) return <span className="soft">never</span>;
  const date = new Date(at);
  const whole = `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
  return (
    <time dateTime={date.toISOString()} title={whole} className={style.moment}>
      {relative((date.getTime() - now) / 1000)}
    </time>
  );
}

function relative(seconds: number): string {
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return RELATIVE.format(Math.trunc(seconds / size), unit);
  }
  return seconds > 20 ? "in a moment" : "just now"; // clocks differ a little
}

/** A day and a minute, in full: where the time itself matters. */
export function moment(at: string | number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** An id or a digest: short, whole on hover, copied by a click. */
export function Id({ of, short = 12 }: { of: string; short?: number }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard?.writeText(of);
    setCopied(true);
    window.setTimeout(() => setCopied(false), 1200);
  };
  const shown = copied ? "copied" : of.length > short + 1 ? `${of.slice(0, short)}…` : of;
  return (
    <button
      type="button"
      className={style.id}
      title={`${of} (click to copy)`}
      aria-label={`${shown}, copy`}
      onClick={() => void copy()}
    >
      {shown}
    </button>
  );
}

/** A sentence of the service: what stands between backticks is a command or a name. */
export function Said({ text }: { text: string }) {
  return text
    .split("`")
    .map((part, place) => (place % 2 ? <code key={place}>{part}</code> : part));
}

/** Bytes as people read them. */
export function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(4, Math.floor(Math.log2(Math.max(1, count)) / 10));
  const value = count / 1024 ** power;
  return `${value.toFixed(power > 0 && value < 10 ? 1 : 0)} ${units[power]}`;
}

/** A whole number with its thousands apart. */
export function count(number: number): string {
  return number.toLocaleString("en").replaceAll(",", " ");
}

/** One thing, or several: `1 record`, `1 234 records`. */
export function several(number: number, noun: string, plural = `${noun}s`): string {
  return `${count(number)} ${number === 1 ? noun : plural}`;
}

/** A span of time, to two units. */
export function span(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 60) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
  const [day, hour, minute] = [DAY_S, 3600, 60];
  if (s < hour) return `${Math.floor(s / minute)} min ${Math.round(s % minute)} s`;
  if (s < day) return `${Math.floor(s / hour)} h ${Math.floor((s % hour) / minute)} min`;
  return `${Math.floor(s / day)} d ${Math.floor((s % day) / hour)} h`;
}

/** A number as briefly as it still says what it is. */
export function short(number: number): string {
  if (Number.isInteger(number) && Math.abs(number) < 1e9) return String(number);
  const size = Math.abs(number);
  if (size !== 0 && (size >= 1e9 || size < 1e-4)) return number.toExponential(3);
  return String(Number(number.toPrecision(5)));
}
