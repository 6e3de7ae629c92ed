/**
 * Real damage to a journal of 2,000 messages: bytes overwritten and ends cut off, at random places of the file
 * and its WAL. Never a crash, never a message with a byte that is not its own, and everything that lies on pages
 * without damage is there. A failing seed is in the name of its test.
 */
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Random } from "../../../src/sandbox/devices/random.ts";
import type { SalvageFrame } from "../../../src/journal/salvage-frames.ts";
import { salvageFrames } from "../../../src/journal/salvage-source.ts";
import { folder } from "./fixture.ts";
import {
  copiesOf,
  type Damage,
  damage,
  oldJournal,
  type OldJournal,
  pageBytes,
  readableBySqlite,
  rowsOnWholePages,
  sizes,
} from "./salvage-fixture.ts";

const count = 2000;
const rounds = 25;
const settled = [
  [1, 100],
  [301, 340],
] as const;
const isSettled = (seq: number): boolean => settled.some(([lo, hi]) => lo <= seq && seq <= hi);

interface Salvaged {
  readonly payloads: ReadonlyMap<number, Buffer>;
  readonly end: Extract<SalvageFrame, { kind: "end" }>;
}

function salvage({ file }: OldJournal): Salvaged {
  const payloads = new Map<number, Buffer>();
  for (const frame of salvageFrames(file, undefined)) {
    if (frame.kind === "end") return { payloads, end: frame };
    for (const { seq, payload } of frame.kind === "rows" ? frame.rows : []) {
      assert.ok(!payloads.has(seq), `${seq} comes once`);
      payloads.set(seq, Buffer.from(payload));
    }
  }
  return assert.fail("it says when it is at the end");
}

function randomDamage(random: Random, journal: OldJournal): Damage {
  const { file, wal } = sizes(journal);
  const suffix = random.unit() < 0.7 ? "" : "-wal";
  const size = suffix === "" ? file : wal;
  const at = Math.floor(random.unit() * (size - 1));
  const longest = random.unit() < 0.5 ? 64 : 8 * pageBytes;
  const length = Math.min(size - at, 1 + Math.floor(random.unit() * longest));
  const kinds = ["noise", "noise", "zeros", "ones", "cut"] as const;
  return { suffix, at, length, kind: kinds[Math.floor(random.unit() * kinds.length)] ?? "noise" };
}

test("of a journal with random damage every message on whole pages is recovered, and none is altered", (t) => {
  const base = oldJournal(folder(t), { count, inWal: 600, settled });
  const copies = copiesOf(base);
  const originals = new Map(base.rows.map((row) => [row.seq, row]));
  const figures = { recovered: 0, required: 0, lost: 0, bySqlite: 0 };
  for (let seed = 1; seed <= rounds; seed += 1) {
    const random = new Random(seed, 7);
    const dir = join(folder(t), "copy");
    mkdirSync(dir);
    const copy: OldJournal = { ...base, file: join(dir, "journal.db.unusable-x") };
    for (const suffix of ["", "-wal"]) copyFileSync(base.file + suffix, copy.file + suffix);
    const damages = Array.from({ length: 1 + Math.floor(random.unit() * 6) }, () =>
      randomDamage(random, copy),
    );
    const required = rowsOnWholePages(copies, damages);
    for (const one of damages)
      if (one.at < sizes(copy)[one.suffix === "" ? "file" : "wal"])
        damage(copy, one, () => Math.floor(random.unit() * 256));
    const { payloads, end } = salvage(copy);
    const why = `seed ${seed}: ${JSON.stringify(damages)}`;
    for (const [seq, payload] of payloads)
      assert.deepEqual(payload, originals.get(seq)?.payload, `${seq} is altered, ${why}`);
    for (const seq of required) {
      if (!(end.isSettlementKnown && isSettled(seq))) assert.ok(payloads.has(seq), `${seq} is lost, ${why}`);
    }
    assert.equal(end.recovered, payloads.size, why);
    const last = Math.max(...payloads.keys());
    const total = end.isSettlementKnown ? Math.max(last, 340) : last - Math.min(...payloads.keys()) + 1;
    assert.equal(end.recovered + end.lost + end.settled, total, why);
    figures.recovered += end.recovered;
    figures.required += required.size;
    figures.lost += end.lost;
    figures.bySqlite += readableBySqlite(copy);
  }
  t.diagnostic(`seeds 1 to ${rounds}: ${JSON.stringify(figures)}`);
  assert.ok(figures.lost > 0, "damage was done");
});
