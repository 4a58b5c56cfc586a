/** What the service says of sweeps; a number that JSON has not is a word. */

export type Figure = number | string | null;

export interface SweepLine {
  sweep: string;
  name: string;
  method: string;
  state: string;
  why: string;
  trials: number;
  metric: string | null;
  best: Figure;
  started: string;
}

export interface Trial {
  number: number;
  run: string;
  state: string;
  because: string;
  value: Figure;
  logged: number;
  tracked: string | null;
  started: string;
  finished: string | null;
  took_s: number | null;
  values: Record<string, unknown>;
  /** The other machine that it ran on; null: the service's own. */
  on: string | null;
}

export interface SweepPage {
  sweep: string;
  name: string;
  description: string | null;
  method: string;
  state: string;
  because: string;
  metric: string | null;
  goal: string | null;
  target: Figure;
  cap: number | null;
  seed: number;
  started: string;
  finished: string | null;
  names: string[];
  trials: Trial[];
  course: { number: number; value: Figure; best: Figure }[];
  best: Trial | null;
  reproduce: string | null;
}
