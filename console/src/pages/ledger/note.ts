/** Signed heads: C2SP tlog-checkpoint in a C2SP signed-note, checked with WebCrypto. */

import { bytes, type Hash, joined, same, sha256 } from "./merkle";

export interface Key {
  name: string;
  /** How it is written, on one line. */
  text: string;
  mark: Hash;
  raw: Hash;
}

export interface Head {
  origin: string;
  size: number;
  root: Hash;
  note: string;
}

/** This browser has no Ed25519: signatures cannot be checked in it. */
export class Unable extends Error {}

/** Not what it says it is. */
export class Wrong extends Error {}

/** The key written in `text`; raises Wrong where its parts disagree. */
export async function keyOf(text: string): Promise<Key> {
  const found = /^([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text.trim());
  const coded = found ? bytes(found[3] ?? "") : new Uint8Array();
  if (!found || coded.length !== 33 || coded[0] !== 1) throw new Wrong("that is no key");
  const name = found[1] ?? "";
  const line = new TextEncoder().encode(`${name}\n`);
  const mark = (await sha256(joined([line, coded]))).slice(0, 4);
  if (hexOf(mark) !== found[2])
    throw new Wrong("the key is not the one that it is named after");
  return { name, text: text.trim(), mark, raw: coded.slice(1) };
}

/** The head in `note`; raises Wrong unless `key` signed exactly this, Unable without Ed25519. */
export async function opened(note: string, key: Key): Promise<Head> {
  const cut = note.lastIndexOf("\n\n");
  if (cut < 0) throw new Wrong("the head is not signed");
  const body = note.slice(0, cut + 1);
  const signature = signatureIn(note.slice(cut + 2), key);
  if (!(await isSigned(key, body, signature))) {
    throw new Wrong("the signature of the head is not that of the lab's key");
  }
  const [origin, size, root] = body.split("\n");
  if (origin !== key.name) throw new Wrong("it is the head of another log");
  if (!/^(0|[1-9]\d{0,14})$/.test(size ?? "")) throw new Wrong("the head has no size");
  const hash = bytes(root ?? "");
  if (hash.length !== 32) throw new Wrong("the head has no root");
  return { origin, size: Number(size), root: hash, note };
}

function signatureIn(lines: string, key: Key): Hash {
  for (const line of lines.split("\n")) {
    const [dash, name, coded] = line.split(" ");
    if (dash !== "—" || name !== key.name || !coded) continue;
    const found = bytes(coded);
    if (found.length === 68 && same(found.slice(0, 4), key.mark)) return found.slice(4);
  }
  throw new Wrong("the lab's key did not sign the head");
}

async function isSigned(key: Key, body: string, signature: Hash): Promise<boolean> {
  let imported: CryptoKey;
  try {
    imported = await crypto.subtle.importKey("raw", key.raw, { name: "Ed25519" }, false, [
      "verify",
    ]);
  } catch {
    throw new Unable("this browser cannot check Ed25519 signatures");
  }
  const signed = new TextEncoder().encode(body);
  return crypto.subtle.verify({ name: "Ed25519" }, imported, signature, signed);
}

function hexOf(mark: Uint8Array): string {
  return [...mark].map((one) => one.toString(16).padStart(2, "0")).join("");
}
