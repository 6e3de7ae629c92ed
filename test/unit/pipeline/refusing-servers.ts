/** Servers that refuse lines, for a scripted writer. */
import assert from "node:assert/strict";
import type { RefusedLine } from "../../../src/pipeline/ports.ts";
import { type Answer, delivered, refused, type Write } from "../../support/fakes/scripted-writer.ts";
import { numbersIn } from "../../support/uplinks.ts";

type IsBad = (line: string) => boolean;

/** The uplink's own row, of these numbers. */
export function rowsOf(...bad: number[]): IsBad {
  return (line) => numbersIn(line).some((n) => bad.includes(n));
}

export function badLines({ lines }: Write, isBad: IsBad): RefusedLine[] {
  const numbered = lines.split("\n").map((line, index) => ({ line, number: index + 1 }));
  return numbered.filter(({ line }) => isBad(line)).map(({ number }) => ({ number, reason: "bad tag" }));
}

/** InfluxDB 3 with accept_partial=false: the first bad line. */
export function naming(isBad: IsBad): (write: Write) => Answer {
  return (write) => {
    const [first] = badLines(write, isBad);
    return first === undefined ? delivered : refused({ lines: [first] });
  };
}

export function unnamed(isBad: IsBad, isCertain: boolean): (write: Write) => Answer {
  return (write) => (badLines(write, isBad).length === 0 ? delivered : refused({ isCertain }));
}

/** The own rows of these uplinks are dead-lettered, and nothing else is. */
export function assertDead(dead: readonly { readonly line: string }[], ...numbers: readonly number[]): void {
  assert.deepEqual(
    dead.map(({ line }) => numbersIn(line)[0]),
    numbers,
  );
}
