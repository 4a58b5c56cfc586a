import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { Button } from "./form";

interface Props {
  /** On the button. */
  label: string;
  /** What it is about, for who does not see where the button stands; asked a second time. */
  what: string;
  busy?: boolean;
  onYes: () => void;
}

/** A button that takes something away, and asks once more where it stands; Escape is no. */
export function Sure({ label, what, busy, onYes }: Props) {
  const [asked, setAsked] = useState(false);
  const first = useRef<HTMLSpanElement>(null);
  const back = useRef(false);
  useEffect(() => {
    if (asked || !back.current) return;
    back.current = false;
    first.current?.querySelector("button")?.focus();
  }, [asked]);
  const keep = () => {
    back.current = true;
    setAsked(false);
  };
  const onEscape = (event: KeyboardEvent) => event.key === "Escape" && keep();
  if (!asked || busy)
    return (
      <span ref={first}>
        <Button
          small
          danger
          busy={busy ?? false}
          aria-label={`${label} ${what}`}
          onClick={() => setAsked(true)}
        >
          {label}
        </Button>
      </span>
    );
  return (
    <>
      <Button
        small
        danger
        aria-label={`${label} ${what}, yes`}
        onKeyDown={onEscape}
        onClick={() => {
          setAsked(false);
          onYes();
        }}
      >
        {label}, yes
      </Button>{" "}
      <Button small plain autoFocus onKeyDown={onEscape} onClick={keep}>
        Keep
      </Button>
    </>
  );
}
