/** One way to ask the service: JSON in, JSON out, refusals as errors that say what to do. */

export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint: string | null,
    /** Where showing again who one is would help. */
    readonly prove: string | null,
  ) {
    super(message);
    this.name = "Refusal";
  }
}

export type Value = string | number | boolean | readonly string[] | null | undefined;
export type Query = Readonly<Record<string, Value>>;

/** A page of a list, as every call answers one. */
export interface Listed<T> {
  items: T[];
  next: string | null;
  total: number;
}

const PREFIX = "/api/1";
type Told = {
  error?: { code?: string; message?: string; hint?: string | null; prove?: string };
};

const ended = new Set<() => void>();

/** Calls `then` when an answer says that the session is over; gives what ends that. */
export function onSessionEnd(then: () => void): () => void {
  ended.add(then);
  return () => ended.delete(then);
}

/** The address of a call; what is undefined, null or empty is left out. */
export function address(path: string, query: Query = {}): string {
  const said = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null || value === "") continue;
    for (const one of Array.isArray(value) ? value : [value]) said.append(name, String(one));
  }
  const text = said.toString();
  return `${PREFIX}${path}${text ? `?${text}` : ""}`;
}

/** What a GET answers; raises Refusal. */
export async function get<T>(
  path: string,
  query: Query = {},
  signal?: AbortSignal,
): Promise<T> {
  return answered<T>(address(path, query), signal ? { signal } : {});
}

/** What a call that changes something answers; raises Refusal. */
export async function send<T = void>(
  method: "POST" | "PUT" | "PATCH" | "DELETE",
  path: string,
  body?: Readonly<Record<string, unknown>>,
): Promise<T> {
  if (body === undefined || method === "DELETE") {
    return answered<T>(address(path, (body ?? {}) as Query), { method });
  }
  const headers = { "content-type": "application/json" };
  return answered<T>(address(path), { method, headers, body: JSON.stringify(body) });
}

async function answered<T>(where: string, init: RequestInit): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(where, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refusal(
      0,
      "away",
      "the service does not answer",
      "it is asked again by itself",
      null,
    );
  }
  if (answer.status === 204) return undefined as T;
  const told: unknown = await answer.json().catch(() => null);
  if (answer.ok) return told as T;
  if (answer.status === 401) for (const then of ended) then();
  throw refusal(answer.status, (told ?? {}) as Told);
}

function refusal(status: number, told: Told): Refusal {
  const said = told.error ?? {};
  const message = said.message ?? `that did not work (${status})`;
  return new Refusal(status, said.code ?? "", message, said.hint ?? null, said.prove ?? null);
}
