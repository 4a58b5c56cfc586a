export interface Differing {
  name: string;
  first: string;
  second: string;
}

export interface FileChange {
  path: string;
  kind: "added" | "removed" | "changed";
  lines: string[];
  cut: boolean;
}

export interface Difference {
  first: string;
  second: string;
  data: Differing[];
  command: Differing[];
  code: FileChange[];
  libraries: Differing[];
  settings: Differing[];
  fence: Differing[];
  outputs: { path: string; same: boolean; where: string }[];
}
