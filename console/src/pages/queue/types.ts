/** One job, as the service tells it. */
export interface Job {
  run: string;
  state: string;
  over: boolean;
  begun: boolean;
  person: string;
  mine: boolean;
  priority: string;
  cpus: number;
  memory_bytes: number;
  gpus: number;
  leased_gpus: number[];
  asked: string;
  started: string | null;
  ended: string | null;
  exit_status: number | null;
  waits: string | null;
  /** Another machine that it runs on. */
  on: string | null;
  command: string | null;
}

/** Something that is lent. */
export interface Part {
  total: number;
  free: number;
}

/** The whole queue. */
export interface Queue {
  items: Job[];
  machine: {
    cpus: Part;
    memory_bytes: Part;
    gpus: Part;
    load: number;
    figures: Record<string, number>;
  };
  service: boolean;
  hidden: number;
  shares: Record<string, number>;
  folders: string[];
}
