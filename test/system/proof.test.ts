/**
 * The proof: whatever befalls the daemon, what surrounds it and what it stands on, each acknowledged event is in
 * InfluxDB exactly once and exactly as it was sent, or `flightline buffer` accounts for it. Each scenario proves
 * that its fault has fallen where it hurts. Short here; `scripts/test --soak=MINUTES` gives each its share of time.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Effort, type Scenario } from "../support/proof.ts";
import { damagedPages, failingSyncs, fullDisk, fullDiskEvicting, powerCut } from "../support/proof-disk.ts";
import { killLoop } from "../support/proof-kills.ts";
import { brokerRestarts, clockSteps } from "../support/proof-surroundings.ts";
import { announce, faultColumns, type ProofRow, tableText } from "../support/proof-table.ts";
import { away, lostAnswers, refusals, refusalsWithoutNumbers } from "../support/proof-writes.ts";

const scenarios: readonly Scenario[] = [
  killLoop,
  powerCut,
  fullDisk,
  fullDiskEvicting,
  failingSyncs,
  damagedPages,
  away,
  lostAnswers,
  refusals,
  refusalsWithoutNumbers,
  brokerRestarts,
  clockSteps,
];

const soakMinutes = process.env["FLIGHTLINE_SOAK_MINUTES"];
const durationMs = soakMinutes === undefined ? undefined : (Number(soakMinutes) * 60_000) / scenarios.length;
const rows: ProofRow[] = [];

for (const { fault, run, isLong = false, mayDrop = false } of scenarios) {
  if (isLong && durationMs === undefined) continue;
  test(fault, async (t) => {
    const outcome = await run(t, new Effort(durationMs));
    if (outcome === undefined) return;
    const row = { fault, ...outcome };
    rows.push(row);
    announce(row);
    const { verdict } = row;
    for (const column of faultColumns)
      assert.equal(verdict[column], 0, `${column}: ${verdict.details.join("\n")}`);
    assert.ok(verdict.events > 0);
    if (!mayDrop) assert.equal(verdict.gone, 0, "nothing is dropped, counted or not");
  });
}

test("the table is all zeros in every column but events", (t) => {
  if (rows.length === 0) {
    t.skip("no scenario could be played here");
    return;
  }
  t.diagnostic(tableText(rows));
  for (const { fault, verdict } of rows)
    assert.deepEqual(
      faultColumns.map((column) => verdict[column]),
      faultColumns.map(() => 0),
      fault,
    );
});
