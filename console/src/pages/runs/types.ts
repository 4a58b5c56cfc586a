/** What the interface answers about runs. */

export interface RunRow {
  run: string;
  name: string;
  fenced: string | null;
  tracked: boolean;
  experiment: string | null;
  state: string;
  who: string;
  started: string;
  ended: string | null;
  data: string[];
  standing: string | null;
  fence: string | null;
  models: number;
  tainted: boolean;
  findings: number;
  values: Record<string, string | number>;
}

export interface Column {
  kind: "metrics" | "params" | "tags";
  name: string;
  runs: number;
}

export interface Asked {
  filter: string;
  order: string;
  columns: string[];
  experiment: string;
}

export interface SavedView extends Asked {
  name: string;
}

export interface Named {
  name: string;
  value: string;
}

export interface Given {
  name: string;
  dataset: string;
  number: number;
  part: string;
  root: string;
  records: number;
  subjects: number;
}

export interface FenceReport {
  level: string;
  exit_status: number;
  network_attempts: number;
  refused_syscalls: Record<string, number>;
  setup_ms: number;
  wall_ms: number;
  peak_memory_bytes: number;
  notes: string[];
}

export interface Verdict {
  at: number;
  replay: string | null;
  verdict: string;
  cause: string | null;
  tolerance: string;
  replays: number;
  erased: number;
  time: string;
}

export interface Link {
  run: string;
  origin: string;
  how: string;
}

export interface Model {
  sha256: string;
  run: string;
  output: number;
  format: string;
  size_bytes: number;
}

export interface Fenced {
  run: string;
  who: string;
  state: string;
  started: string;
  ended: string | null;
  exit_status: number | null;
  start: { command: string; folder: string | null; memory_bytes: number | null } | null;
  inputs: Given[];
  fence: FenceReport | null;
  settings: Record<string, string>;
  code: string;
  environment: string;
  models: Model[];
  tainted: boolean;
  attested: boolean;
  origin: Link | null;
  followers: Link[];
  verdicts: Verdict[];
}

export interface Tracked {
  run: string;
  name: string;
  experiment: string;
  state: string;
  user: string;
  started: string | null;
  ended: string | null;
  deleted: boolean;
  params: Named[];
  tags: Named[];
  metrics: number;
  data: { name: string; digest: string; tags: Record<string, string> }[];
}

export interface Finding {
  run: string;
  place: string;
  subject: string;
  entry: number;
  time: string;
}

export interface OneRun {
  run: string;
  fenced: Fenced | null;
  tracked: Tracked[];
  tracked_total: number;
  findings: Finding[];
}

export interface Metric {
  metric: string;
  points: number;
  value: number | string;
  time_ms: number;
  step: number;
}

/** One metric of one run, as three columns of equal length. */
export interface Curve {
  run: string;
  metric: string;
  total: number;
  whole: boolean;
  steps: number[];
  times_ms: number[];
  values: (number | null)[];
}

export interface FileLine {
  ref: string;
  kind: string;
  path: string | null;
  size_bytes: number;
  tracked: string | null;
}

export interface LogPart {
  start: number;
  end: number;
  size_bytes: number;
  done: boolean;
  text: string;
}

export interface Remark {
  place: number;
  who: string;
  time: string;
  text: string | null;
}
