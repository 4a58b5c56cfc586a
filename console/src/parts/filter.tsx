import { useEffect, useRef, useState } from "react";
import style from "./filter.module.css";

interface Props {
  label: string;
  value: string;
  onChange: (value: string) => void;
  placeholder?: string;
  /** Another one on the page is reached by the key. */
  quiet?: boolean;
}

/** What a list is narrowed by; the key `/` leads here, and it asks once typing pauses. */
export function Filter({ label, value, onChange, placeholder, quiet }: Props) {
  const [text, setText] = useState(value);
  const input = useRef<HTMLInputElement>(null);
  const told = useRef(value);
  const tell = useRef(onChange);
  tell.current = onChange;
  useEffect(() => {
    if (value !== told.current) {
      told.current = value;
      setText(value);
    }
  }, [value]);
  useEffect(() => {
    if (text === told.current) return;
    const timer = window.setTimeout(() => {
      told.current = text;
      tell.current(text);
    }, 250);
    return () => window.clearTimeout(timer);
  }, [text]);
  useEffect(() => {
    if (quiet) return undefined;
    const reach = (event: KeyboardEvent) => {
      const typing =
        event.target instanceof HTMLElement &&
        /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
      if (
        event.key !== "/" ||
        event.defaultPrevented ||
        typing ||
        event.ctrlKey ||
        event.metaKey
      )
        return;
      event.preventDefault();
      input.current?.focus();
    };
    document.addEventListener("keydown", reach);
    return () => document.removeEventListener("keydown", reach);
  }, [quiet]);
  return (
    <label className={style.filter}>
      <span className="hidden">{label}</span>
      <input
        ref={input}
        type="search"
        value={text}
        placeholder={placeholder ?? label}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => event.key === "Escape" && setText("")}
        spellCheck={false}
        aria-keyshortcuts={quiet ? undefined : "/"}
      />
      {quiet ? null : <kbd>/</kbd>}
    </label>
  );
}
