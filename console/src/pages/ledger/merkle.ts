/** The tree of the record, computed here: SHA-256 by the browser, all else by these lines. */

export type Hash = Uint8Array<ArrayBuffer>;

/** SHA-256(00 | entry): the prefix keeps an entry from passing for a node (RFC 6962, 2.1). */
export function leafHash(leaf: Hash): Promise<Hash> {
  return sha256(joined([new Uint8Array([0]), leaf]));
}

/** SHA-256(01 | left | right). */
export function nodeHash(left: Hash, right: Hash): Promise<Hash> {
  return sha256(joined([new Uint8Array([1]), left, right]));
}

/** Whether the entry with that hash is number `index` of a log of `size` (RFC 9162, 2.1.3.2). */
export async function isIncluded(
  leaf: Hash,
  index: number,
  size: number,
  proof: readonly Hash[],
  root: Hash,
): Promise<boolean> {
  if (!(Number.isSafeInteger(index) && index >= 0 && index < size)) return false;
  let at = index;
  let last = size - 1;
  let hash = leaf;
  for (const one of proof) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      hash = await nodeHash(one, hash);
      while (at % 2 === 0 && at !== 0) {
        at = half(at);
        last = half(last);
      }
    } else {
      hash = await nodeHash(hash, one);
    }
    at = half(at);
    last = half(last);
  }
  return last === 0 && same(hash, root);
}

/** Whether the log of `size` goes on from that of `before` (RFC 9162, 2.1.4.2). */
export async function isExtension(
  before: number,
  beforeRoot: Hash,
  size: number,
  root: Hash,
  proof: readonly Hash[],
): Promise<boolean> {
  if (!(Number.isSafeInteger(before) && before >= 0 && before <= size)) return false;
  if (before === size) return proof.length === 0 && same(beforeRoot, root);
  if (before === 0) return proof.length === 0;
  const path = isPowerOfTwo(before) ? [beforeRoot, ...proof] : [...proof];
  let at = before - 1;
  let last = size - 1;
  while (at % 2 === 1) {
    at = half(at);
    last = half(last);
  }
  const first = path.shift();
  if (first === undefined) return false;
  let older = first;
  let newer = first;
  for (const one of path) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      older = await nodeHash(one, older);
      newer = await nodeHash(one, newer);
      while (at % 2 === 0 && at !== 0) {
        at = half(at);
        last = half(last);
      }
    } else {
      newer = await nodeHash(newer, one);
    }
    at = half(at);
    last = half(last);
  }
  return last === 0 && same(older, beforeRoot) && same(newer, root);
}

/** Whether two hashes are the same bytes. */
export function same(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

/** The bytes of base64; raises for anything else. */
export function bytes(text: string): Hash {
  return Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
}

/** Bytes one after the other. */
export function joined(parts: readonly Uint8Array[]): Hash {
  const made = new Uint8Array(parts.reduce((sum, one) => sum + one.length, 0));
  let at = 0;
  for (const one of parts) {
    made.set(one, at);
    at += one.length;
  }
  return made;
}

/** As people compare it. */
export function hex(hash: Uint8Array): string {
  return [...hash].map((one) => one.toString(16).padStart(2, "0")).join("");
}

export async function sha256(content: Hash): Promise<Hash> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", content));
}

// Not shifts: those are of 32 bits, and a log may be longer.
function half(number: number): number {
  return Math.floor(number / 2);
}

function isPowerOfTwo(number: number): boolean {
  return 2 ** Math.round(Math.log2(number)) === number;
}
