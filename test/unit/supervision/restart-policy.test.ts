import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import {
  defaultRestartSettings,
  type FailureHistory,
  judge,
  noFailures,
  type Verdict,
} from "../../../src/supervision/restart-policy.ts";
import { settings } from "./fixture.ts";

const nowMs = 1_000_000;
const half = (): number => 0.5;
const restart = (afterMs: number): Verdict => ({ kind: "restart", afterMs });
const park = (forMs: number): Verdict => ({ kind: "park", untilMs: nowMs + forMs });
const leave: Verdict = { kind: "leave" };
const escalate: Verdict = { kind: "escalate" };
const agoMs = (...ago: number[]): FailureHistory => ({
  ...noFailures,
  failuresMs: ago.map((ms) => nowMs - ms),
});
const trial = (coolDowns: number): FailureHistory => ({ failuresMs: [], coolDowns, isTrial: true });

describe("whether it is started again", () => {
  const rows = [
    ["permanent", false, "failed", restart(500)],
    ["permanent", false, "ended", restart(500)],
    ["transient", false, "failed", restart(500)],
    ["transient", false, "ended", leave],
    ["temporary", false, "failed", leave],
    ["temporary", false, "ended", leave],
    ["permanent", true, "failed", escalate],
    ["permanent", true, "ended", escalate],
    ["transient", true, "failed", escalate],
    ["transient", true, "ended", leave],
    ["temporary", true, "failed", escalate],
    ["temporary", true, "ended", leave],
  ] as const;
  for (const [kind, isCritical, end, verdict] of rows) {
    test(`${kind}${isCritical ? ", critical" : ""}, ${end}: ${verdict.kind}`, () => {
      const child = { restart: kind, isCritical };
      const judged = judge(child, { kind: end, workedMs: 0 }, noFailures, settings, nowMs, half);
      assert.deepEqual(judged.verdict, verdict);
    });
  }
});

describe("when it is started again", () => {
  const rows: readonly (readonly [string, FailureHistory, number, Verdict])[] = [
    ["the first failure", noFailures, 0, restart(500)],
    ["the second within the window waits longer", agoMs(1000), 0, restart(1000)],
    ["the third", agoMs(3000, 1000), 0, restart(2000)],
    ["one more than it may within the window parks", agoMs(5000, 3000, 1000), 0, park(100_000)],
    ["failures before the window are forgotten", agoMs(60_000, 3000, 1000), 0, restart(2000)],
    ["a trial that fails at once parks for longer", trial(1), 4999, park(200_000)],
    ["the cool-down has a cap", trial(2), 0, park(300_000)],
    ["however often it fails", trial(5000), 0, park(300_000)],
    ["a trial that lasted earns a new series", trial(2), 5000, restart(500)],
    ["running well clears a trial", trial(2), 600_000, restart(500)],
    ["running well clears the window", agoMs(5000, 3000, 1000), 600_000, restart(500)],
    ["not quite running well does not", agoMs(5000, 3000, 1000), 599_999, park(100_000)],
  ];
  for (const [name, history, workedMs, verdict] of rows) {
    test(name, () => {
      const child = { restart: "permanent", isCritical: false } as const;
      const judged = judge(child, { kind: "failed", workedMs }, history, settings, nowMs, half);
      assert.deepEqual(judged.verdict, verdict);
    });
  }

  test("after a trial that lasted the next cool-down is the shortest again", () => {
    const child = { restart: "permanent", isCritical: false } as const;
    const end = { kind: "failed", workedMs: 5000 } as const;
    let { history } = judge(child, end, trial(3), settings, nowMs, half);
    for (let failure = 0; failure < 2; failure += 1)
      ({ history } = judge(child, end, history, settings, nowMs, half));
    assert.deepEqual(judge(child, end, history, settings, nowMs, half).verdict, park(100_000));
  });
});

test("whatever fails whenever: delays and cool-downs stay within their caps, restarts within the intensity, the record within its bound", () => {
  const child = { restart: "permanent", isCritical: false } as const;
  const step = fc.record({
    workedMs: fc.integer({ min: 0, max: 4_000_000 }),
    random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  });
  let parkings = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const set = defaultRestartSettings;
      let history = noFailures;
      let atMs = 0;
      const restartsMs: number[] = [];
      for (const { workedMs, random } of steps) {
        atMs += workedMs;
        const judged = judge(child, { kind: "failed", workedMs }, history, set, atMs, () => random);
        history = judged.history;
        assert.ok(history.failuresMs.length <= set.maxRestarts);
        if (judged.verdict.kind === "park") {
          parkings += 1;
          const forMs = judged.verdict.untilMs - atMs;
          assert.ok(forMs >= set.coolDownMs && forMs <= set.coolDownCapMs, `${forMs}`);
          atMs = judged.verdict.untilMs;
          restartsMs.length = 0;
        } else {
          assert.ok(judged.verdict.kind === "restart");
          assert.ok(judged.verdict.afterMs >= 0 && judged.verdict.afterMs < set.capMs);
          restartsMs.push(atMs);
          const within = restartsMs.filter((ms) => ms > atMs - set.windowMs);
          assert.ok(within.length <= set.maxRestarts);
          atMs += judged.verdict.afterMs;
        }
      }
    }),
    { seed: 7, examples: [[Array.from({ length: 10 }, () => ({ workedMs: 0, random: 0 }))]] },
  );
  assert.ok(parkings > 0, "the property saw a parking");
});
