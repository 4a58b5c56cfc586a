/** What is chosen for an upload, and how it is to be read once all of it is there. */
import { useState } from "react";
import { send } from "../../api/client";
import { guess, pathsOf, type Way } from "./rules";
import { type Chosen, type Sending, sendingOf, startSending } from "./sending";

interface Rules {
  issuer: string;
  way: Way;
  column: string;
  pattern: string;
  labels: string;
}
/** How each upload of this window is to be read, once all of it is there. */
const asked = new Map<string, Rules & { inside: boolean }>();

export interface Choice {
  chosen: Chosen[];
  labels: Chosen | null;
  rules: Rules;
  size: number;
  choose: (files: FileList | null) => void;
  chooseLabels: (files: FileList | null) => void;
  change: (rules: Partial<Rules>) => void;
}

const FIRST: Rules = {
  issuer: "local",
  way: "pattern",
  column: "",
  pattern: "^([^/]+)/",
  labels: "",
};
const BESIDE = "labels/";

/** What is chosen in a form; of an upload that goes on, what was chosen before. */
export function useChoice(upload = ""): Choice {
  const before = asked.get(upload);
  const all = sendingOf(upload)?.chosen ?? [];
  const beside = before && !before.inside ? before.labels : "";
  const [chosen, setChosen] = useState(() => all.filter((one) => one.path !== beside));
  const [labels, setLabels] = useState<Chosen | null>(
    () => (beside && all.find((one) => one.path === beside)) || null,
  );
  const [rules, setRules] = useState<Rules>(before ? { ...before, labels: "" } : FIRST);
  return {
    chosen,
    labels,
    rules,
    size: chosen.reduce((sum, one) => sum + one.file.size, labels?.file.size ?? 0),
    choose: (files) => {
      const found = files ? pathsOf(files) : [];
      setChosen(found);
      const first = guess(found);
      setRules((before) => ({ ...before, ...first, labels: "" }));
    },
    chooseLabels: (files) => {
      const file = files?.[0];
      setLabels(file ? { path: `${BESIDE}${file.name}`, file } : null);
      setRules((before) => ({ ...before, labels: "" }));
    },
    change: (change) => setRules((before) => ({ ...before, ...change })),
  };
}

/** All that is sent: the data, and the file of labels beside them. */
function sentOf({ chosen, labels }: Choice): Chosen[] {
  return labels ? [...chosen, labels] : chosen;
}

export function remember(upload: string, choice: Choice) {
  const { labels, rules } = choice;
  asked.set(upload, {
    ...rules,
    labels: labels?.path ?? rules.labels,
    inside: labels === null && rules.labels !== "",
  });
}

export function start(upload: string, choice: Choice): Sending {
  const sending = startSending(upload, sentOf(choice));
  void sending
    .run()
    .then((sent) => (sent ? finish(upload) : undefined))
    .catch((error: Error) => sending.fail(error));
  return sending;
}

/** Has the service add what was sent, by what was said of it. */
async function finish(upload: string): Promise<void> {
  const rules = asked.get(upload);
  if (!rules) return;
  await send("POST", `/uploads/${upload}/add`, {
    issuer: rules.issuer || "local",
    column: rules.way === "column" ? rules.column : undefined,
    pattern: rules.way === "pattern" ? rules.pattern : undefined,
    labels: rules.labels || undefined,
    labels_are_data: rules.inside,
  });
}
