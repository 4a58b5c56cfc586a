/** What the service says of models, lineage and erasures. */

export interface Name {
  name: string;
  version: number;
  stage: string;
  aliases: string[];
}

export interface Model {
  sha256: string;
  run: string;
  format: string;
  size_bytes: number;
  made: string;
  proof: "signed" | "none";
  tainted: number;
  withdrawn: boolean;
  inputs: string[];
  names: Name[];
  deployed: number;
  predictions: number;
}

export interface ModelCard {
  line: Model;
  spec: string;
  made: {
    run: string;
    state: string;
    started: string;
    finished: string | null;
    code: string;
    environment: string;
    inputs: [string, string, number, number][];
    settings: Record<string, string>;
    fence: string | null;
    reproduced: string | null;
    pretrained: { name: string; sha256: string; license: string }[];
    converted_from: string | null;
  };
  statement: number | null;
  taints: string[];
  deployments: {
    deployment: string;
    sha256: string;
    time: string;
    stopped: number | null;
    predictions: number;
  }[];
  siblings: string[];
  may_prove: boolean;
}

export interface LineNode {
  id: string;
  kind: string;
  title: string;
  column: number;
  facts: [string, string][];
  mark: string;
  count: number;
  link: string | null;
}

export interface Lineage {
  focus: string;
  nodes: LineNode[];
  edges: { source: string; target: string; text: string }[];
}

export interface Inventory {
  records: number;
  labels: number;
  versions: number;
  runs: number;
  outputs: number;
  predictions: number;
}

export interface Plan {
  subject: string;
  names: string[];
  erased: number | null;
  inventory: Inventory;
  remains: { what: string; why: string }[];
  models: string[];
  answered: number;
  needs_second: boolean;
}

export interface ErasureLine {
  operation: string;
  subjects: string[];
  by: string;
  reason: string;
  state: string;
  intended: number;
  completed: number | null;
}
