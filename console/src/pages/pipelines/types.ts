/** What the service says of pipelines. */

export interface FlowLine {
  flow: string;
  pipeline: string;
  state: string;
  steps: number;
  reason: string;
  due: string | null;
  started: string;
  finished: string | null;
  waiting: string | null;
  waits: string | null;
}

export interface ScheduleLine {
  on: string[];
  misfire: string;
  next: string | null;
  because: string;
  times: string[];
  paused: string | null;
}

export interface PipelineLine {
  name: string;
  runs: number;
  recent: FlowLine[];
  schedule: ScheduleLine | null;
}

export interface Parameter {
  name: string;
  kind: string;
  default: string | number | boolean | null;
  value: string | number | boolean | null;
  text: string;
}

export interface PipelinePage {
  line: PipelineLine;
  parameters: Parameter[];
}

export interface StepNode {
  id: string;
  title: string;
  task: string;
  kind: string;
  state: string;
  steps: number;
  calls: number;
  reused: number;
  tries: number;
  started: string | null;
  finished: string | null;
  run: string | null;
  notes: string[];
}

export interface AttemptBar {
  node: string;
  name: string;
  run: string;
  state: string;
  started: string;
  finished: string | null;
}

export interface FlowPage {
  line: FlowLine;
  worker: string;
  parameters: Parameter[];
  grouped: boolean;
  nodes: StepNode[];
  edges: [string, string][];
  states: Record<string, number>;
  bars: AttemptBar[];
  pages: { step: string; run: string; path: string }[];
}

export interface StepCall {
  part: number | null;
  tried: number;
  state: string;
  run: string;
  started: string | null;
  finished: string | null;
}

export interface StepPage {
  step: string;
  task: string;
  kind: string;
  settings: {
    retries: number;
    timeout: number | null;
    cache: boolean | string;
    idempotent: boolean;
    cpu: number;
    gpu: number;
    memory: number | null;
    outlets: string[];
    pool: string | null;
  };
  own_fence: boolean;
  waits: string[];
  datasets: string[];
  attempts: number;
  calls: StepCall[];
}

export interface Why {
  step: string;
  verdict: string;
  changes: string[];
  run: string | null;
  before: string | null;
}
