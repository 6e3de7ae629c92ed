import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { Endpoint } from "../../../src/pipeline/endpoint.ts";
import {
  type FailureKind,
  type Gate,
  gateFailed,
  gateProbes,
  gateProbeUnused,
  gateSucceeded,
  openGate,
} from "../../../src/pipeline/gate-policy.ts";
import type { Lane } from "../../../src/pipeline/slots.ts";

const open: Gate = { state: "open", epoch: 4, attempt: 0 };
const closed: Gate = { state: "closed", epoch: 5, kind: "passing", attempt: 2, untilMs: 900 };
const probing: Gate = { state: "probing", epoch: 5, kind: "passing", attempt: 2 };

function failure(epoch: number, more: { kind?: FailureKind; afterMs?: number } = {}) {
  const { kind = "passing", afterMs } = more;
  return { epoch, kind, afterMs, nowMs: 1000, random: () => 0.5 };
}

describe("gate policy", () => {
  const reopened: Gate = { state: "open", epoch: 6, attempt: 0 };
  const table: readonly (readonly [string, Gate, Gate])[] = [
    ["open, success: open", gateSucceeded(open, 4), open],
    ["open, late success: open", gateSucceeded(open, 2), open],
    ["closed, success from before: closed", gateSucceeded(closed, 4), closed],
    ["probing, success from before: the probe decides", gateSucceeded(probing, 4), probing],
    ["probing, its success: open, a new epoch", gateSucceeded(probing, 5), reopened],
    [
      "open, failure: closed",
      gateFailed(open, failure(4)),
      { state: "closed", epoch: 5, kind: "passing", attempt: 1, untilMs: 1250 },
    ],
    ["open, failure from before: open", gateFailed(open, failure(3)), open],
    ["closed, failure from before: not longer", gateFailed(closed, failure(4)), closed],
    ["probing, failure from before: probing", gateFailed(probing, failure(4)), probing],
    [
      "probing, its failure: closed for longer",
      gateFailed(probing, failure(5)),
      { state: "closed", epoch: 6, kind: "passing", attempt: 3, untilMs: 2000 },
    ],
    [
      "a refusal is tried slowly",
      gateFailed(open, failure(4, { kind: "refusal" })),
      { state: "closed", epoch: 5, kind: "refusal", attempt: 1, untilMs: 3500 },
    ],
    [
      "Retry-After is honoured",
      gateFailed(open, failure(4, { afterMs: 7000 })),
      { state: "closed", epoch: 5, kind: "passing", attempt: 1, untilMs: 8000 },
    ],
    [
      "a shorter Retry-After does not shorten the backoff",
      gateFailed(open, failure(4, { afterMs: 1 })),
      { state: "closed", epoch: 5, kind: "passing", attempt: 1, untilMs: 1250 },
    ],
    ["closed, time over: probing", gateProbes(closed), probing],
    [
      "probing, nothing to write: at once again",
      gateProbeUnused(probing, 1000),
      { ...closed, untilMs: 1000 },
    ],
    ["open, nothing to write: open", gateProbeUnused(open, 1000), open],
  ];
  for (const [name, got, expected] of table) test(name, () => assert.deepEqual(got, expected));

  test("however often it fails, the wait stays below the cap, and the number of tries small", () => {
    for (const [kind, capMs] of [["passing", 2000] as const, ["refusal", 300_000] as const]) {
      fc.assert(
        fc.property(
          fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), {
            minLength: 60,
            maxLength: 60,
          }),
          (randoms) => {
            let gate: Gate = openGate;
            let nowMs = 0;
            for (const value of randoms) {
              gate = gateFailed(gate, {
                epoch: gate.epoch,
                kind,
                afterMs: undefined,
                nowMs,
                random: () => value,
              });
              assert.ok(gate.state === "closed" && gate.untilMs >= nowMs && gate.untilMs - nowMs < capMs);
              nowMs = gate.untilMs;
              gate = gateProbes(gate);
            }
            assert.equal(gate.attempt, 60);
          },
        ),
      );
    }
    const forEver: Gate = { state: "probing", epoch: 1, kind: "passing", attempt: 5000 };
    const after = gateFailed(forEver, failure(1));
    assert.ok(after.state === "closed" && after.untilMs === 1000 + 1000);
  });

  test("the first refusal after a long outage is tried again within 5 s: the failures before say nothing of it", () => {
    const outage = Array<FailureKind>(20).fill("passing");
    const waitsMs = waitsAfter([...outage, "refusal", "refusal", "passing"], 0.99);
    assert.deepEqual(waitsMs.slice(18), [1980, 1980, 4950, 9900, 495]);
  });

  test("failures of both kinds in any order: each waits as long as those of its kind in a row ask for", () => {
    const caps = { passing: [500, 2000], refusal: [5000, 300_000] } as const;
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom<FailureKind>("passing", "refusal"), { minLength: 1, maxLength: 60 }),
        (kinds) => {
          let inARow = 0;
          for (const [index, waitMs] of waitsAfter(kinds, 0.5).entries()) {
            const kind = kinds[index] ?? "passing";
            inARow = kind === kinds[index - 1] ? inARow + 1 : 1;
            const [baseMs, capMs] = caps[kind];
            assert.equal(waitMs, Math.min(capMs, baseMs * 2 ** (inARow - 1)) / 2);
          }
        },
      ),
    );
  });

  test("where both kinds take turns, neither many requests are made nor long waits", () => {
    const kinds = Array.from({ length: 100 }, (_, index): FailureKind =>
      index % 2 === 0 ? "passing" : "refusal",
    );
    const waitsMs = waitsAfter(kinds, 0.5);
    assert.equal(Math.max(...waitsMs), 2500);
    const perMinute = waitsMs.length / (waitsMs.reduce((sum, ms) => sum + ms, 0) / 60_000);
    assert.ok(perMinute < 60, `${perMinute} requests a minute`);
  });
});

/** How long a gate waits after each of these failures, ms. */
function waitsAfter(kinds: readonly FailureKind[], random: number): number[] {
  let gate: Gate = openGate;
  let nowMs = 0;
  return kinds.map((kind) => {
    const failed = gateFailed(gate, {
      epoch: gate.epoch,
      kind,
      afterMs: undefined,
      nowMs,
      random: () => random,
    });
    assert.ok(failed.state === "closed");
    const waitMs = failed.untilMs - nowMs;
    nowMs = failed.untilMs;
    gate = gateProbes(failed);
    return waitMs;
  });
}

function endpointAt(startMs = 0): { endpoint: Endpoint; clock: { ms: number } } {
  const clock = { ms: startMs };
  const endpoint = new Endpoint({ nowMs: () => clock.ms, uptimeMs: () => clock.ms }, () => 0.5);
  return { endpoint, clock };
}

describe("endpoint", () => {
  test("one failure closes it for both lanes, and only one write probes", () => {
    const { endpoint } = endpointAt();
    assert.ok(endpoint.admits("fresh", 0) && endpoint.admits("backlog", 0));
    endpoint.failed(endpoint.startWrite(), "passing", undefined);
    assert.equal(endpoint.isOpen, false);
    assert.equal(endpoint.nextProbeInMs(0), 250);
    for (const lane of ["fresh", "backlog"] as const) assert.equal(endpoint.admits(lane, 249), false);
    assert.equal(endpoint.admits("backlog", 250), true);
    assert.equal(endpoint.admits("fresh", 250), false, "the other lane waits for the probe");
    assert.equal(endpoint.mayWrite("backlog"), true);
    endpoint.startWrite();
    assert.equal(endpoint.mayWrite("backlog"), false, "one write, not two");
    assert.equal(endpoint.nextProbeInMs(250), undefined);
  });

  test("only the write that opens it says so", () => {
    const { endpoint, clock } = endpointAt();
    const early = [endpoint.startWrite(), endpoint.startWrite(), endpoint.startWrite()] as const;
    endpoint.failed(early[0], "passing", undefined);
    assert.equal(endpoint.succeeded(early[1]), false);
    assert.equal(endpoint.isOpen, false, "an answer from before the failure proves nothing");
    clock.ms = 250;
    assert.ok(endpoint.admits("fresh", 250));
    assert.equal(endpoint.succeeded(endpoint.startWrite()), true);
    endpoint.failed(early[2], "passing", undefined);
    assert.equal(endpoint.isOpen, true, "nor does a failure from before");
  });

  test("a prober without anything to write leaves it to the other lane", () => {
    const { endpoint } = endpointAt();
    endpoint.failed(endpoint.startWrite(), "passing", undefined);
    assert.ok(endpoint.admits("fresh", 300));
    assert.equal(endpoint.probeUnused("backlog", 300), false, "who does not probe has nothing to give");
    assert.equal(endpoint.probeUnused("fresh", 300), true);
    assert.ok(endpoint.admits("backlog", 300));
    endpoint.startWrite();
    assert.equal(endpoint.probeUnused("backlog", 300), false, "a probe that is under way was used");
  });

  test("any order of events: while it is closed at most one write starts per waiting time", () => {
    const lane = fc.constantFrom<Lane>("fresh", "backlog");
    const event = fc.oneof(
      fc.record({ do: fc.constant("write" as const), lane }),
      fc.record({ do: fc.constantFrom("succeed", "fail", "refuse"), pick: fc.nat(20) }),
      fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 20_000 }) }),
      fc.record({ do: fc.constant("unused" as const), lane }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60, size: "max" }), (events) => {
        const { endpoint, clock } = endpointAt();
        let inFlight: { epoch: number; probe: boolean }[] = [];
        for (const next of events) {
          if (next.do === "wait") clock.ms += next.ms;
          else if (next.do === "unused") endpoint.probeUnused(next.lane, clock.ms);
          else if (next.do === "write") {
            const wasOpen = endpoint.isOpen;
            if (!endpoint.admits(next.lane, clock.ms)) continue;
            inFlight.push({ epoch: endpoint.startWrite(), probe: !wasOpen });
          } else {
            const write = inFlight[next.pick % Math.max(1, inFlight.length)];
            if (write === undefined) continue;
            inFlight = inFlight.filter((one) => one !== write);
            if (next.do === "succeed") endpoint.succeeded(write.epoch);
            else endpoint.failed(write.epoch, next.do === "fail" ? "passing" : "refusal", undefined);
          }
          if (endpoint.isOpen) for (const one of inFlight) one.probe = false;
          assert.ok(inFlight.filter(({ probe }) => probe).length <= 1, "two probes at once");
        }
        // Whatever happened: it can be opened again.
        for (const write of inFlight) endpoint.failed(write.epoch, "passing", undefined);
        clock.ms += 1e9;
        if (!endpoint.isOpen) {
          const prober = (["fresh", "backlog"] as const).find((lane) => endpoint.admits(lane, clock.ms));
          assert.ok(prober !== undefined, "nobody may probe");
          assert.equal(endpoint.succeeded(endpoint.startWrite()), true);
        }
      }),
    );
  });
});
