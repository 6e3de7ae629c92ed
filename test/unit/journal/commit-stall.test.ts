/** Brokers whose window is smaller than half of ours: a group that will never be full. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { folder, message, openJournal, runCommitter, slowed } from "./fixture.ts";

test("a broker that keeps 32 in flight and waits for PUBACKs gets more than 500 messages a second through", async (t) => {
  const journal = openJournal(t, folder(t));
  const run = runCommitter(t, journal);
  slowed(run, journal, () => 2);
  const totals = { sent: 0, acknowledged: 0 };
  const acknowledge = (): void => {
    totals.acknowledged += 1;
  };
  const startMs = run.clock.uptimeMs();
  while (totals.acknowledged < 1000) {
    for (; totals.sent - totals.acknowledged < 32; totals.sent += 1)
      run.committer.submit(message(`${totals.sent}`), acknowledge);
    await run.advance(1);
  }
  const perSecond = (1000 * totals.acknowledged) / (run.clock.uptimeMs() - startMs);
  assert.ok(perSecond > 500, `${Math.round(perSecond)} messages/s`);
  assert.deepEqual(new Set(run.groups), new Set([32]));
  await run.stop();
});

test("while messages come the group waits for its interval; when they stop it goes after 20 ms", async (t) => {
  const journal = openJournal(t, folder(t));
  const run = runCommitter(t, journal);
  for (let n = 0; n < 25; n += 1) {
    run.submit(`${n}`);
    await run.advance(10);
  }
  assert.deepEqual(run.groups, [25]);
  for (let n = 0; n < 16; n += 1) {
    run.submit(`${n}`);
    await run.advance(1);
  }
  await run.advance(18);
  assert.deepEqual(run.groups, [25]);
  await run.advance(1);
  assert.deepEqual(run.groups, [25, 16]);
  await run.stop();
});

test("waiting for a stall costs a wake-up per 20 ms, not one per message", async (t) => {
  const journal = openJournal(t, folder(t));
  let looks = 0;
  const run = runCommitter(t, journal);
  const uptimeMs = run.clock.uptimeMs.bind(run.clock);
  let isSubmitting = false;
  run.clock.uptimeMs = () => {
    if (!isSubmitting) looks += 1;
    return uptimeMs();
  };
  for (let n = 0; n < 240; n += 1) {
    isSubmitting = true;
    run.submit(`${n}`);
    isSubmitting = false;
    await run.advance(1);
  }
  assert.deepEqual(run.groups, []);
  assert.ok(looks > 3 && looks < 20, `looked ${looks} times for 240 messages`);
  await run.stop();
});
