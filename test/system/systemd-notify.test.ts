/**
 * notify.ts and a real systemd: what it sends is what `systemctl show` says. One machine for all of it; each
 * way of sending, through libsystemd and by the program `systemd-notify` where that library is not there.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runInMachine } from "../support/machine.ts";
import type { Facts, Way } from "../support/notify-observer-process.ts";

test("a real systemd hears the daemon's port", async (t) => {
  const machine = await runInMachine(t, {
    command: [process.execPath, "test/support/notify-observer-process.ts"],
    timeoutMs: 90_000,
  });
  if (machine === undefined) return;
  const text = machine.result("facts.json");
  assert.ok(machine.exitCode === 0 && text !== undefined, `${machine.output}\n${machine.journal}`);
  t.diagnostic(`the machine took ${(machine.tookMs / 1000).toFixed(1)} s`);
  const all = JSON.parse(text) as Facts;
  for (const way of ["libsystemd", "systemd-notify"] as const) {
    await t.test(`by ${way}`, async (t) => {
      await judge(t, way, all[way], machine.journal);
    });
  }
});

async function judge(t: { test: typeof test }, way: Way, facts: Facts[Way], journal: string): Promise<void> {
  for (const [user, shown] of [
    ["root", facts.asRoot],
    ["nobody", facts.asUser],
  ] as const) {
    await t.test(`as ${user}: READY and STATUS are seen, a line break in STATUS is a space`, () => {
      assert.equal(shown["ready"]?.["ActiveState"], "active", JSON.stringify(shown));
      assert.equal(shown["ready"]["StatusText"], `by ${way} X=1, watchdog 3000 ms`);
    });
    await t.test(`as ${user}: pings keep it alive for longer than the watchdog waits`, () => {
      assert.equal(shown["afterTwoPeriods"]?.["NRestarts"], "0");
      assert.equal(shown["afterTwoPeriods"]["MainPID"], shown["ready"]?.["MainPID"]);
      assert.equal(shown["afterTwoPeriods"]["ActiveState"], "active");
    });
    await t.test(`as ${user}: RELOADING, READY and STOPPING change its state`, () => {
      assert.equal(shown["reloading"]?.["ActiveState"], "reloading");
      assert.equal(shown["reloaded"]?.["ActiveState"], "active");
      assert.equal(shown["stopping"]?.["ActiveState"], "deactivating");
    });
  }

  await t.test("without pings the watchdog kills it once, also when STATUS tries to smuggle a ping", () => {
    const { smuggling, restarted, later } = facts.watchdog;
    assert.equal(smuggling?.["StatusText"], "no ping WATCHDOG=1 READY=1");
    assert.equal(restarted?.["NRestarts"], "1", JSON.stringify(facts.watchdog));
    assert.notEqual(restarted["MainPID"], smuggling["MainPID"]);
    assert.equal(later?.["NRestarts"], "1");
    assert.match(journal, new RegExp(`silent-${way}\\.service: Watchdog timeout \\(limit 3s\\)`));
  });

  await t.test("EXTEND_TIMEOUT_USEC is honoured, and the same start without it times out", () => {
    assert.equal(facts.starts.extended, 0);
    assert.equal(facts.starts.slow, 1);
  });

  const accepted = way === "libsystemd";
  await t.test(`NotifyAccess=main ${accepted ? "is enough" : "refuses the program of another user"}`, () => {
    assert.equal(facts.starts.refused, accepted ? 0 : 1);
  });
}
