import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { Event } from "../../../src/chirpstack/event.ts";
import { Fault } from "../../../src/lib/fault.ts";
import { failed, ok, type Result } from "../../../src/lib/result.ts";
import { DecodeMarker } from "../../../src/pipeline/decode-marker.ts";
import { DecodedEvents } from "../../../src/pipeline/decoded.ts";
import { MemoryLog } from "../../support/fakes/memory-log.ts";
import { temporaryFolder } from "../../support/wait.ts";

const folder = await temporaryFolder("decoded");
const marker = new DecodeMarker(folder.path, "j");
marker.arm();
after(async () => {
  marker.close();
  await folder.remove();
});

/** The marker's seq as another process would read it. */
function marked(): number {
  return Number(readFileSync(join(folder.path, "decoding")).readBigUInt64LE(36));
}

function setUp(decode: (topic: string) => Result<Event> = (name) => ok({ kind: "unmapped", name })) {
  const log = new MemoryLog();
  /** Topic of each decoding, and what was marked then. */
  const calls: [string, number][] = [];
  const decoded = new DecodedEvents((topic) => {
    calls.push([topic, marked()]);
    return decode(topic);
  }, marker);
  const append = (count: number, bytes = 10) =>
    Array.from({ length: count }, () =>
      log.append({ topic: `t${log.lastSeq + 1}`, payload: new Uint8Array(bytes) }),
    );
  const nameOf = (message: Parameters<DecodedEvents["of"]>[0]): string => {
    const result = decoded.of(message);
    return result.ok && result.value.kind === "unmapped" ? result.value.name : "";
  };
  return { decoded, calls, append, nameOf };
}

describe("decoded events", () => {
  test("a message is decoded once for all who ask, also when it cannot be decoded", () => {
    const fault = new Fault({ code: "x", layer: "device", disposition: "quarantine", message: "x" });
    const { decoded, calls, append } = setUp((topic) =>
      topic === "t2" ? failed(fault) : ok({ kind: "unmapped", name: topic }),
    );
    const messages = append(64);
    const first = messages.map((message) => decoded.of(message));
    const second = messages.map((message) => decoded.of(message));
    assert.equal(calls.length, 64);
    for (const [index, result] of second.entries()) assert.equal(result, first[index]);
  });

  test("the memory is bounded, and nobody gets what another message means", () => {
    const { calls, append, nameOf } = setUp();
    const messages = append(2000);
    for (const message of messages) assert.equal(nameOf(message), message.topic);
    for (const message of messages) assert.equal(nameOf(message), message.topic);
    assert.equal(calls.length, 2000 + (2000 - 512));
  });

  test("whoever reads the backlog does not push out the newest", () => {
    const { calls, append, nameOf } = setUp();
    const messages = append(5000);
    const newest = messages.slice(-512);
    for (const message of newest) nameOf(message);
    for (const message of messages.slice(0, 4000)) nameOf(message);
    const before = calls.length;
    for (const message of newest) nameOf(message);
    assert.equal(calls.length, before);
  });

  test("large ones are not kept", () => {
    const { calls, append, nameOf } = setUp();
    const [small, large] = [...append(1, 8192), ...append(1, 8193)];
    assert.ok(small !== undefined && large !== undefined);
    for (let i = 0; i < 3; i += 1) assert.deepEqual([nameOf(small), nameOf(large)], ["t1", "t2"]);
    assert.equal(calls.length, 1 + 3);
  });

  test("a message is marked while it is decoded, and not afterwards", () => {
    const { calls, append, nameOf } = setUp();
    for (const message of append(2)) {
      nameOf(message);
      assert.equal(marked(), 0);
    }
    assert.deepEqual(calls, [
      ["t1", 1],
      ["t2", 2],
    ]);
  });

  test("under `marked` it stays marked for what is made of it, decoded or known", () => {
    const { decoded, append } = setUp();
    const messages = append(3);
    const other = append(1)[0];
    assert.ok(other !== undefined);
    for (let round = 0; round < 2; round += 1) {
      const seen: number[] = [];
      decoded.marked(messages, (message) => {
        decoded.of(message);
        if (message.seq === 2) decoded.of(other);
        seen.push(marked());
      });
      assert.deepEqual(seen, [1, 2, 3]);
      assert.equal(marked(), 0);
    }
  });

  test("what kills in the middle leaves the mark for the next process", () => {
    const { decoded, append } = setUp(() => {
      throw new Error("a bug");
    });
    const messages = append(3);
    for (const run of [
      () => decoded.of(messages[2] ?? assert.fail()),
      () => {
        decoded.marked(messages.slice(1), (message) => {
          if (message.seq === 3) throw new Error("a bug");
        });
      },
    ]) {
      assert.throws(run, /a bug/);
      assert.equal(marked(), 3);
      marker.clear();
    }
  });
});
