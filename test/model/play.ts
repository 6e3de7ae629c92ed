/**
 * The journal against a model in memory: any sequence of appending, settling, unsettling, putting back, reading,
 * filling, clocks that jump, crashes, power cuts and reboots. Sequences that have failed once are kept in
 * seeds.json, which is replayed first; one that fails now is added to it, as short as it could be made.
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import * as fc from "fast-check";
import { type Sequence, sequences } from "./actions.ts";
import { Run } from "./run.ts";
import { seen } from "./seen.ts";

/** In each of the two files. */
const sequenceCount = Number(process.env["FLIGHTLINE_MODEL_SEQUENCES"] ?? 1000);
const kept = new URL("seeds.json", import.meta.url);

function keptSequences(): Sequence[] {
  return JSON.parse(readFileSync(kept, "utf8")) as Sequence[];
}

function keep(failing: Sequence): void {
  const lines = [...keptSequences(), failing].map((one) => `  ${JSON.stringify(one)}`);
  writeFileSync(kept, `[\n${lines.join(",\n")}\n]\n`);
}

/** In memory where that can be had: fsync has no part in this, and would be nearly all of the time. */
function folder(t: TestContext): string {
  const root = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "flightline-model-"));
  t.after(() => {
    rmSync(root, { recursive: true, force: true });
  });
  return root;
}

function play({ settings, actions }: Sequence, root: string): void {
  const dir = mkdtempSync(join(root, "run-"));
  const run = new Run(settings, dir);
  try {
    for (const action of actions) run.act(action);
    run.act(["kill"]);
  } finally {
    run.end();
    rmSync(dir, { recursive: true });
  }
}

export function replayKept(t: TestContext, isSmall: boolean): void {
  const root = folder(t);
  const sequences = keptSequences().filter(({ settings }) => settings.isSmall === isSmall);
  assert.ok(sequences.length > 0);
  for (const sequence of sequences) play(sequence, root);
}

export function playRandom(t: TestContext, isSmall: boolean): void {
  const root = folder(t);
  const one = fc.property(sequences(isSmall), (sequence) => {
    play(sequence, root);
  });
  const result = fc.check(one, { numRuns: sequenceCount });
  if (result.failed && result.counterexample !== null) {
    const [failing] = result.counterexample;
    keep(failing);
    const text = `this sequence fails, and is in seeds.json now: ${JSON.stringify(failing)}`;
    throw new Error(text, { cause: result.errorInstance });
  }
  const counts = { ...seen.always, ...(isSmall ? seen.whenFull : seen.withRoom) };
  t.diagnostic(`${result.numRuns} sequences: ${JSON.stringify(counts)}`);
  for (const [what, count] of Object.entries(counts)) assert.ok(count > 0, `no sequence had ${what}`);
}
