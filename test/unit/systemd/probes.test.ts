import assert from "node:assert/strict";
import { test } from "node:test";
import { readBootId } from "../../../src/systemd/boot-id.ts";
import { clockSyncProbe } from "../../../src/systemd/clock-sync.ts";

test("the boot id is a UUID, and the same within one boot", () => {
  assert.match(readBootId(), /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  assert.equal(readBootId(), readBootId());
});

test("the kernel says whether its clock is synchronised, or cannot be asked; the answer is stable", () => {
  const isSynchronised = clockSyncProbe();
  const first = isSynchronised();
  assert.ok(first === undefined || typeof first === "boolean", String(first));
  for (let i = 0; i < 100; i += 1) assert.equal(isSynchronised(), first);
});
