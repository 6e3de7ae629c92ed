/** How rows of the buffer are named on the command line: `p12` is the pending message 12, `q7`, `d3`. Pure. */
import type { BufferKind } from "../status/buffer-wire.ts";

const letters: Readonly<Record<BufferKind, string>> = {
  pending: "p",
  quarantined: "q",
  dead: "d",
  settled: "s",
};

/** What can be listed, in this order. */
export const listedKinds = ["pending", "quarantined", "dead"] as const;
export type ListedKind = (typeof listedKinds)[number];

export interface Key {
  readonly kind: ListedKind;
  readonly key: number;
}

export function keyText(kind: BufferKind, key: number): string {
  return `${letters[kind]}${key}`;
}

/** Undefined: it is none. */
export function parseKey(text: string): Key | undefined {
  const [, letter, digits] = /^([pqd])(\d{1,15})$/.exec(text) ?? [];
  const kind = listedKinds.find((one) => letters[one] === letter);
  return kind === undefined ? undefined : { kind, key: Number(digits) };
}
