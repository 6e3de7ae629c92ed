import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { DecodeMarker } from "../../../src/pipeline/decode-marker.ts";
import { temporaryFolder } from "../../support/wait.ts";

const journalId = "11111111-2222-3333-4444-555555555555";

function armed(dir: string): DecodeMarker {
  const marker = new DecodeMarker(dir, journalId);
  marker.arm();
  return marker;
}

describe("decode marker", () => {
  test("what was left stays until it has been seen to, over any number of starts that failed", async () => {
    await using folder = await temporaryFolder("marker");
    const dying = armed(folder.path);
    dying.begin(7);
    dying.close();
    for (let start = 0; start < 3; start += 1) {
      const failing = new DecodeMarker(folder.path, "99999999-2222-3333-4444-555555555555");
      assert.deepEqual(failing.left, { journalId, seq: 7 });
      assert.throws(() => {
        failing.begin(8);
      }, /BUG/);
      failing.close();
    }
    armed(folder.path).close();
    const next = new DecodeMarker(folder.path, journalId);
    assert.equal(next.left, undefined);
    next.close();
  });

  test("the next process sees what the last one was decoding, once", async () => {
    await using folder = await temporaryFolder("marker");
    for (const seq of [1, 255, 2 ** 31, 2 ** 32, 2 ** 32 + 7, Number.MAX_SAFE_INTEGER]) {
      const dying = armed(folder.path);
      dying.begin(seq);
      const next = armed(folder.path);
      assert.deepEqual(next.left, { journalId, seq });
      const afterNext = new DecodeMarker(folder.path, journalId);
      assert.equal(afterNext.left, undefined);
      for (const marker of [dying, next, afterNext]) marker.close();
    }
  });

  test("a process that ended between two messages leaves nothing", async () => {
    await using folder = await temporaryFolder("marker");
    const marker = armed(folder.path);
    assert.equal(marker.left, undefined);
    marker.begin(7);
    marker.clear();
    marker.close();
    const next = new DecodeMarker(folder.path, journalId);
    assert.equal(next.left, undefined);
    next.close();
  });

  test("the file is 36 bytes of journal id and a little-endian seq", async () => {
    await using folder = await temporaryFolder("marker");
    const marker = armed(folder.path);
    marker.begin(0x01_02_03_04_05);
    const content = readFileSync(join(folder.path, "decoding"));
    assert.equal(content.toString("latin1", 0, 36), journalId);
    assert.deepEqual([...content.subarray(36)], [5, 4, 3, 2, 1, 0, 0, 0]);
    marker.close();
  });

  test("a file that is too short, or was anything else, is no death", async () => {
    await using folder = await temporaryFolder("marker");
    for (const content of ["", "x", "x".repeat(43)]) {
      writeFileSync(join(folder.path, "decoding"), content);
      const marker = new DecodeMarker(folder.path, journalId);
      assert.equal(marker.left, undefined);
      marker.close();
    }
    writeFileSync(join(folder.path, "decoding"), "x".repeat(44));
    const marker = new DecodeMarker(folder.path, journalId);
    assert.notEqual(marker.left?.journalId, journalId);
    marker.close();
  });

  test("once closed it never writes into the file that has its number now", async () => {
    await using folder = await temporaryFolder("marker");
    const marker = armed(folder.path);
    marker.close();
    assert.throws(() => marker.begin(1), /BUG/);
  });
});
