import assert from "node:assert/strict";
import { test } from "node:test";
import { type DemoOptions, demoCommand } from "../../../src/cli/demo.ts";
import { DemoScreen, summary } from "../../../src/cli/demo-screen.ts";
import { type DemoResult, whyNoProof } from "../../../src/cli/demo-verdict.ts";
import { exitCode } from "../../../src/cli/io.ts";
import { newCounters } from "../../../src/pipeline/counters.ts";
import type { Snapshot } from "../../../src/status/snapshot.ts";
import { recordingIo } from "../../support/fakes/recording-io.ts";

const options: DemoOptions = { for: "1s", devices: 5, interval: "1s", json: true };

test("arguments that make no sense are refused in one sentence before anything starts", async () => {
  const wrong: readonly (readonly [Partial<DemoOptions>, string])[] = [
    [{ devices: 0 }, "--devices: expected 1 to 100000.\n"],
    [{ devices: 99_999_999 }, "--devices: expected 1 to 100000.\n"],
    [{ interval: "0s" }, '--interval: expected a duration such as "1s" or "500ms", at least 10ms.\n'],
    [{ interval: "1ms" }, '--interval: expected a duration such as "1s" or "500ms", at least 10ms.\n'],
    [{ interval: "soon" }, '--interval: expected a duration such as "1s" or "500ms", at least 10ms.\n'],
    [{ for: "a while" }, '--for: expected a duration such as "15s" or "2m", at most 24d.\n'],
    [{ for: "60d" }, '--for: expected a duration such as "15s" or "2m", at most 24d.\n'],
  ];
  for (const [changes, sentence] of wrong) {
    const { io, out, err } = recordingIo();
    assert.equal(await demoCommand({ ...options, ...changes }, io), exitCode.usage);
    assert.equal(err(), sentence);
    assert.equal(out(), "");
  }
});

const right: DemoResult = {
  published: 10,
  journalled: 14,
  written: 10,
  quarantined: 0,
  lost: 0,
  altered: 0,
  invented: 0,
  duplicates: 0,
  p99_ms: 12,
};
const wholeCourse = { isConnected: true, isSettled: true };

test("only a run that saw something, all of it, says that every uplink is there", () => {
  assert.equal(whyNoProof(right, wholeCourse), undefined);
  assert.match(summary(right, undefined), /Every uplink is there exactly once\./);
  const nothing = { ...right, published: 0, written: 0 };
  assert.match(whyNoProof(nothing, wholeCourse) ?? "", /No device has published/);
  assert.match(whyNoProof(nothing, { isConnected: false, isSettled: false }) ?? "", /did not connect/);
  const late = whyNoProof({ ...right, written: 8 }, { isConnected: true, isSettled: false });
  assert.match(late ?? "", /Not everything had come through/);
  assert.doesNotMatch(summary(right, late), /Every uplink/);
  for (const count of ["lost", "altered", "invented", "duplicates"] as const) {
    assert.match(whyNoProof({ ...right, [count]: 1 }, wholeCourse) ?? "", /report it/, count);
  }
  assert.match(whyNoProof({ ...right, written: 9 }, wholeCourse) ?? "", /report it/);
});

test("a demo of no time fails, with its counts and a sentence", async () => {
  const { io, out, err } = recordingIo();
  const code = await demoCommand({ ...options, for: "0s", interval: "10m", devices: 1 }, io);
  const { published } = JSON.parse(out()) as DemoResult;
  assert.equal(published, 0, "one device that has minutes to its first uplink");
  assert.equal(code, exitCode.failed);
  assert.match(err(), /^No device has published anything.*\n$/);
});

test("what the screen says stands below the block, and the next block below that", () => {
  const { io, out } = recordingIo();
  const screen = new DemoScreen({ ...io, isTerminal: true });
  const snapshot: Snapshot = {
    counters: newCounters(),
    journal: { lastSeq: 0, backlog: 0, evicted: 0, evictedMinor: 0, waiting: 0, lastCommitMs: 0 },
    quarantineEvicted: 0,
    registry: { devices: 0, gateways: 0, lag: 0, evicted: 0, missed: 0, statsLeftOut: 0 },
    sources: [],
    databases: [{ name: "lorawan", state: "up" }],
    latencyMs: { p50: undefined, p99: undefined },
  };
  const drawn = (): string => {
    const before = out().length;
    screen.draw(1, snapshot);
    return out().slice(before);
  };
  const cursorUp = "\u001b[8A";
  assert.ok(!drawn().startsWith(cursorUp));
  assert.ok(drawn().startsWith(cursorUp), "a block is drawn over the last one");
  screen.say("waiting");
  assert.ok(out().endsWith("waiting\n"));
  assert.ok(!drawn().startsWith(cursorUp));
});
