/** A head is believed if it is signed and goes on from the last one that this browser saw. */

import { bytes, type Hash, isExtension, isIncluded, leafHash, same } from "./merkle";
import { type Head, keyOf, opened, Unable, Wrong } from "./note";

/** What the service is asked: any answer may be a lie. */
export interface Service {
  head(): Promise<{ note: string; size: number; key: string }>;
  consistency(old: number, size: number): Promise<{ hashes: string[] }>;
  inclusion(index: number, size: number): Promise<{ hashes: string[] }>;
}

/** Where the last head stays; `localStorage` is one. */
export interface Memory {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
}

interface Remembered {
  key: string;
  note: string;
  at: string;
}

export type Verdict =
  | { kind: "first"; head: Head }
  | { kind: "verified"; head: Head; since: number; seen: string }
  | { kind: "refused"; why: string; seen: Head | null }
  | { kind: "unable"; why: string };

const PLACE = "cloister.head";

/** Checks the newest head; it is remembered if it holds, and changes nothing if it does not. */
export async function checked(lab: string, service: Service, memory: Memory): Promise<Verdict> {
  const before = remembered(lab, memory);
  let seen: Head | null = null;
  try {
    const said = await service.head();
    const key = await keyOf(before?.key ?? said.key);
    seen = before ? await opened(before.note, key) : null;
    if (before && said.key.trim() !== key.text) {
      throw new Wrong("the service shows another key than the one that this browser knows");
    }
    if (said.note === "" && said.size === 0 && !before) throw new Wrong("the record is empty");
    const head = await opened(said.note, key);
    if (key.name !== `${lab}/log`) throw new Wrong("the key is that of another lab");
    if (seen) await extend(seen, head, service);
    const now: Remembered = { key: key.text, note: head.note, at: new Date().toISOString() };
    memory.setItem(`${PLACE}.${lab}`, JSON.stringify(now));
    if (!seen || !before) return { kind: "first", head };
    return { kind: "verified", head, since: seen.size, seen: before.at };
  } catch (error) {
    if (error instanceof Unable) return { kind: "unable", why: error.message };
    if (error instanceof Wrong) return { kind: "refused", why: error.message, seen };
    if (error instanceof DOMException || error instanceof SyntaxError) {
      return { kind: "refused", why: "what the service said cannot be read", seen };
    }
    throw error;
  }
}

/** Whether the bytes are entry `index` of the log with that head, by a proof of the service's. */
export async function holds(
  leaf: Hash,
  index: number,
  head: Head,
  service: Service,
): Promise<boolean> {
  const { hashes } = await service.inclusion(index, head.size);
  return isIncluded(await leafHash(leaf), index, head.size, hashes.map(bytes), head.root);
}

async function extend(seen: Head, head: Head, service: Service): Promise<void> {
  if (head.size < seen.size) {
    const sizes = `it has ${head.size} entries, and had ${seen.size}`;
    throw new Wrong(`the record was rolled back: ${sizes}`);
  }
  if (head.size === seen.size) {
    if (!same(head.root, seen.root)) throw new Wrong("the record was rewritten");
    return;
  }
  const { hashes } = await service.consistency(seen.size, head.size);
  const proof = hashes.map(bytes);
  if (!(await isExtension(seen.size, seen.root, head.size, head.root, proof))) {
    throw new Wrong(`the first ${seen.size} entries are not those that this browser saw`);
  }
}

function remembered(lab: string, memory: Memory): Remembered | null {
  const text = memory.getItem(`${PLACE}.${lab}`);
  return text === null ? null : (JSON.parse(text) as Remembered);
}
