export interface Place {
  target: string;
  uri: string;
  there: boolean;
  saved: string | null;
  behind: number;
  since: string | null;
  lag_ms: number | null;
  trouble: string | null;
}
export interface Drill {
  scenario: string;
  outcome: string;
  rpo_ms: number | null;
  rto_ms: number | null;
  time: string;
}
export interface Recovery {
  places: Place[];
  drills: Drill[];
  keys: string;
  development_seal: boolean;
  secret: {
    kind: string;
    threshold: number | null;
    count: number | null;
    set: string | null;
  } | null;
  copy: string;
}
