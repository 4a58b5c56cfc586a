/** Sending files in pieces (tus 1.0): what breaks off goes on where it was, by itself.
 *
 * One upload at a time, kept outside of the pages so that looking elsewhere does not end it. */
import { address, get, type Listed, Refusal, send } from "../../api/client";

export interface Chosen {
  path: string;
  file: File;
}
interface Line {
  index: number;
  path: string;
  size_bytes: number;
  received: number;
}
export interface Progress {
  upload: string;
  state: "sending" | "waiting" | "sent" | "failed";
  sent: number;
  total: number;
  files: number;
  done: number;
  problem: Error | null;
}

const PIECE = 4 << 20;
const SIDE_BY_SIDE = 3;
const TOGETHER = 2000;

/** Files of the folder that were announced and are not here, or of another size now. */
export class Lacking extends Error {
  constructor(readonly paths: string[]) {
    super(`${paths.length} files of the upload were not chosen again`);
  }
}

export class Sending {
  private listeners = new Set<() => void>();
  private stopped = false;
  progress: Progress;

  constructor(
    upload: string,
    readonly chosen: readonly Chosen[],
  ) {
    const total = chosen.reduce((sum, one) => sum + one.file.size, 0);
    this.progress = {
      upload,
      state: "sending",
      sent: 0,
      total,
      files: chosen.length,
      done: 0,
      problem: null,
    };
  }

  subscribe = (then: () => void) => {
    this.listeners.add(then);
    return () => this.listeners.delete(then);
  };

  snapshot = () => this.progress;

  stop() {
    this.stopped = true;
  }

  /** It came, and could not be used as it was said. */
  fail(problem: Error) {
    this.tell({ state: "failed", problem });
  }

  /** Sends what is not there yet; true once all of it is. */
  async run(): Promise<boolean> {
    try {
      const lines = await this.announced();
      const files = new Map(this.chosen.map((one) => [one.path, one.file]));
      const lacking = lines.filter((one) => files.get(one.path)?.size !== one.size_bytes);
      if (lacking.length) throw new Lacking(lacking.map((one) => one.path));
      const received = lines.reduce((sum, one) => sum + one.received, 0);
      const todo = lines.filter((one) => one.received < one.size_bytes);
      this.tell({ sent: received, done: lines.length - todo.length, files: lines.length });
      const workers = Array.from({ length: SIDE_BY_SIDE }, async () => {
        for (let line = todo.shift(); line && !this.stopped; line = todo.shift()) {
          await this.file(line, files.get(line.path) as File);
        }
      });
      await Promise.all(workers);
      if (this.stopped) return false;
      this.tell({ state: "sent", sent: this.progress.total });
      return true;
    } catch (error) {
      this.stopped = true;
      this.tell({ state: "failed", problem: error as Error });
      return false;
    }
  }

  /** The files as the service has them; says first which of them it does not know. */
  private async announced(): Promise<Line[]> {
    let known = await this.lines();
    const there = new Set(known.map((one) => one.path));
    const fresh = this.chosen.filter((one) => !there.has(one.path));
    for (let at = 0; at < fresh.length; at += TOGETHER) {
      const part = fresh.slice(at, at + TOGETHER);
      const files = Object.fromEntries(part.map((one) => [one.path, one.file.size]));
      await this.kept(() => send("POST", `/uploads/${this.progress.upload}/files`, { files }));
    }
    if (fresh.length) known = await this.lines();
    return known;
  }

  private async lines(): Promise<Line[]> {
    const found: Line[] = [];
    let after: string | null = null;
    do {
      const page: Listed<Line> = await this.kept(() =>
        get<Listed<Line>>(`/uploads/${this.progress.upload}/files`, { after, limit: 10_000 }),
      );
      found.push(...page.items);
      after = page.next;
    } while (after !== null);
    return found;
  }

  private async file(line: Line, file: File): Promise<void> {
    let at = line.received;
    while (at < file.size && !this.stopped) {
      const from = at;
      at = await this.kept(
        () => this.piece(line.index, from, file.slice(from, from + PIECE)),
        () => this.offset(line.index),
      );
      this.tell({ sent: this.progress.sent + (at - from), state: "sending" });
    }
    this.tell({ done: this.progress.done + 1 });
  }

  private async piece(index: number, at: number, content: Blob): Promise<number> {
    const answer = await this.asked(index, {
      method: "PATCH",
      body: content,
      headers: {
        "content-type": "application/offset+octet-stream",
        "tus-resumable": "1.0.0",
        "upload-offset": String(at),
      },
    });
    return Number(answer.headers.get("upload-offset"));
  }

  /** Where the service is with a file, as tus asks. */
  private async offset(index: number): Promise<number> {
    const answer = await this.asked(index, { method: "HEAD" });
    return Number(answer.headers.get("upload-offset"));
  }

  private async asked(index: number, init: RequestInit): Promise<Response> {
    const where = address(`/uploads/${this.progress.upload}/files/${index}`);
    let answer: Response;
    try {
      answer = await fetch(where, init);
    } catch {
      throw new Refusal(0, "away", "the service does not answer", null, null);
    }
    if (answer.ok) return answer;
    const told = (await answer.json().catch(() => ({}))) as {
      error?: { code?: string; message?: string; hint?: string | null };
    };
    const said = told.error ?? {};
    const message = said.message ?? `that did not work (${answer.status})`;
    throw new Refusal(answer.status, said.code ?? "", message, said.hint ?? null, null);
  }

  /** Until it is done: a service that is away is waited for; then asked where it is. */
  private async kept<T>(act: () => Promise<T>, after?: () => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      try {
        return await (tries > 0 && after ? after() : act());
      } catch (error) {
        const passing =
          error instanceof Refusal && [0, 408, 409, 429, 500, 502, 503].includes(error.status);
        if (this.stopped || !passing || (error.status !== 0 && tries > 8)) throw error;
        this.tell({ state: "waiting" });
        await new Promise((then) => setTimeout(then, Math.min(4000, 250 * 2 ** tries)));
      }
    }
  }

  private tell(change: Partial<Progress>) {
    this.progress = { ...this.progress, ...change };
    for (const then of this.listeners) then();
  }
}

/** The sending that goes on, whichever page is shown. */
let current: Sending | null = null;

export function sendingOf(upload: string): Sending | null {
  return current?.progress.upload === upload ? current : null;
}

export function sendingNow(): Sending | null {
  return current;
}

export function startSending(upload: string, chosen: readonly Chosen[]): Sending {
  current?.stop();
  current = new Sending(upload, chosen);
  return current;
}

window.addEventListener("beforeunload", (event) => {
  const state = current?.progress.state;
  if (state === "sending" || state === "waiting") event.preventDefault();
});
