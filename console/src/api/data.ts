/** What the service says of datasets, versions and who read them. */

export interface Version {
  dataset: string;
  number: number;
  root: string;
  records: number;
  subjects: number;
  size_bytes: number;
  time: string;
  place: number;
}

export interface Found {
  code: string;
  severity: "error" | "warning" | "note";
  count: number;
  title: string;
  advice: string;
}

export interface Dataset {
  name: string;
  latest: Version | null;
  versions: number;
  quarantined: number;
  unfinished: number | null;
  checked: string | null;
  findings: Found[];
  source: string | null;
}

export interface VersionPage {
  version: Version;
  newest: number;
  data_class: string;
  tags: string[];
  history: { version: Version; tags: string[] }[];
  kinds: { kind: string; records: number; size_bytes: number }[];
  labels: { schema: string; records: number }[];
  splits: {
    name: string;
    parts: { part: string; share: number; records: number; subjects: number }[];
  }[];
  erased: number;
  quarantined: number;
  runs: number;
  checked: string | null;
  findings: Found[];
  may: {
    read: boolean;
    add: boolean;
    label: boolean;
    trace: boolean;
    audit: boolean;
    retract: boolean;
    kept_because: string | null;
  };
}

export interface RecordLine {
  record: string;
  place: number;
  kind: string;
  size_bytes: number;
  subject: string | null;
  erased: boolean;
  path: string | null;
  labels: [string, string][];
}

export interface Balance {
  schema: string;
  values: [string, number][];
  others: number;
  missing: number;
  erased: number;
}

export interface ListedFinding extends Found {
  where: string;
  detail: string;
  records: string[];
}

export interface AccessLine {
  place: number;
  time: string;
  who: string;
  purpose: string;
  why: string;
  record: string | null;
  run: string | null;
  records: number | null;
  size_bytes: number | null;
}

export interface Changed {
  record: string;
  how: "added" | "removed" | "relabelled";
  kind: string;
  size_bytes: number;
  subject: string | null;
  erased: boolean;
  path: string | null;
}

export interface Difference {
  older: Version;
  newer: Version;
  added: number;
  removed: number;
  relabelled: number;
  unchanged: number;
  subjects_added: number;
  subjects_removed: number;
  items: Changed[];
  shown_of_each: number;
}

export function versionPath(version: Pick<Version, "dataset" | "number">): string {
  return `/data/${encodeURIComponent(version.dataset)}/${version.number}`;
}
