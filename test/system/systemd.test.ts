/**
 * The daemon under its unit, on a real systemd: what it survives and how, with a broker, a database and load.
 * The unit is the one that ships; drop-ins only shorten times and change paths. Each planted fault is seen to
 * have happened, nothing that was acknowledged is lost, and while it happens messages are acknowledged within
 * a second, unless they have to wait for a restart.
 */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { runInMachine } from "../support/machine.ts";
import type { Facts, Played } from "../support/systemd-scenarios-process.ts";
import type { Figures } from "../support/systemd-stage.ts";
import type { Shown } from "../support/systemd-unit.ts";

const readyWithinMs = 1500;
const p99WithinMs = 3000;

test("the daemon under systemd", async (t) => {
  const machine = await runInMachine(t, {
    command: ["bash", "test/support/systemd-install.sh", process.execPath],
    timeoutMs: 150_000,
  });
  if (machine === undefined) return;
  const text = machine.result("facts.json");
  assert.ok(machine.exitCode === 0 && text !== undefined, `${machine.output}\n${machine.journal}`);
  t.diagnostic(`the machine took ${(machine.tookMs / 1000).toFixed(1)} s`);
  const facts = JSON.parse(text) as Facts;
  const seen = <T>(played: Played<T>): T => {
    if ("seen" in played) return played.seen;
    // Who reads only the end of a log must see it.
    return assert.fail(`${machine.journal}\n${played.failure}`);
  };

  await t.test("it is READY within 1.5 s of its start, with a STATUS, and is not restarted", (t) => {
    const starts = seen(facts.starts);
    const readyMs = starts.map(
      ({ ActiveEnterTimestampMonotonic: ready, ExecMainStartTimestampMonotonic: start }) =>
        (Number(ready) - Number(start)) / 1000,
    );
    t.diagnostic(`READY after ${readyMs.map((ms) => ms.toFixed(0)).join(", ")} ms`);
    // Others use this machine as well: the best of three is what it is able to.
    assert.ok(
      Math.min(...readyMs) > 0 && Math.min(...readyMs) <= readyWithinMs,
      `READY after ${readyMs.join()}`,
    );
    for (const { StatusText, NRestarts } of starts) {
      assert.match(StatusText, /^1 of 1 brokers, InfluxDB \w+, backlog \d+, /);
      assert.equal(NRestarts, "0");
    }
  });

  await t.test("a blocked event loop is killed by the watchdog", (t) => {
    const { planted, restarts, results, figures } = seen(facts.loop);
    assert.deepEqual(
      { planted, restarts, results },
      { planted: ["loop"], restarts: "1", results: ["watchdog"] },
    );
    assertHarmless(t, figures, "waited for a restart");
  });

  await t.test(
    "a journal that no longer commits is killed by the watchdog, with the event loop running",
    (t) => {
      const { planted, restarts, results, whys, figures } = seen(facts.commits);
      assert.deepEqual(
        { planted, restarts, results },
        { planted: ["commits"], restarts: "1", results: ["watchdog"] },
      );
      assert.match(whys.join(), /^journal silent for 6\d s$/);
      assertHarmless(t, figures, "waited for a restart");
    },
  );

  await t.test("InfluxDB away for three periods of the watchdog is no reason for a restart", (t) => {
    const { started, away, backlog, restarts, results, figures } = seen(facts.away);
    assert.match(away.StatusText, /InfluxDB away/);
    assert.ok(backlog > 200, `the journal held ${backlog}`);
    assert.deepEqual(
      { restarts, results, pid: away.MainPID },
      { restarts: "0", results: [], pid: started.MainPID },
    );
    assertHarmless(t, figures, "without a restart");
  });

  await t.test("SIGSEGV and SIGSTOP each end in one restart", (t) => {
    const { restarts, results, figures } = seen(facts.killed);
    assert.deepEqual({ restarts, results }, { restarts: "2", results: ["signal", "watchdog"] });
    assertHarmless(t, figures, "waited for a restart");
  });

  await t.test(
    "the streams process starts within the unit's limits, and a stop leaves nothing of it",
    (t) => {
      const { before, stopped, figures, ...streams } = seen(facts.queried);
      assert.deepEqual(streams, {
        starts: 1,
        failures: 0,
        oomScoreAdjustment: "500",
        isInUnit: true,
        hasNativeLibrary: true,
        isLeft: false,
        killed: [],
      });
      assert.deepEqual([before.NRestarts, stopped.NRestarts, stopped.Result], ["0", "0", "success"]);
      assertHarmless(t, figures, "waited for the start");
    },
  );

  await t.test("a bad configuration, exit code 78, is not started again", () => {
    const { isStarted, shown } = seen(facts.misconfigured);
    const { ActiveState, ExecMainStatus, NRestarts } = shown;
    assert.deepEqual(
      { isStarted, ActiveState, ExecMainStatus, NRestarts },
      { isStarted: false, ActiveState: "failed", ExecMainStatus: "78", NRestarts: "0" },
    );
  });

  await t.test("reload and stop", async (t) => await judgePlain(t, seen(facts.plain)));
  await t.test("five crashes", async (t) => await judgeCrashes(t, seen(facts.crashes)));
});

type Seen<T> = T extends { readonly seen: infer S } ? S : never;

async function judgePlain(t: TestContext, plain: Seen<Facts["plain"]>): Promise<void> {
  const { before, reloads, stopTookMs, stopped, again, figures } = plain;

  await t.test("a reload takes the new configuration over, and the MQTT session goes on", () => {
    assert.ok(reloads.isTaken);
    assert.deepEqual(reloads.afterGood, ["mqtt", "second"]);
    assert.equal(reloads.connections, 3, "once for each of the three starts");
    const ours = reloads.clients.filter((id) => id.startsWith("flightline-"));
    assert.deepEqual([ours.length, reloads.clients.filter((id) => id === "second").length], [3, 1]);
  });

  await t.test("a reload with a mistake keeps the old configuration and says where the mistake is", () => {
    assert.match(reloads.rejections.join("\n"), /flightline\.toml:\d+: telemetri: unknown key/);
    assert.equal(reloads.rejections.length, 1);
    assert.deepEqual(lifeOf(reloads.afterBad), lifeOf(before));
    assert.deepEqual(reloads.sources, ["mqtt", "second"]);
  });

  await t.test("SIGTERM under load ends it with 0, and the next start goes on where it was", (t) => {
    t.diagnostic(`stopped within ${stopTookMs.toFixed(0)} ms`);
    const { ActiveState, Result, ExecMainStatus } = stopped;
    // ExecMainStatus= is 0, too, of a unit that systemd has forgotten.
    assert.ok(Number(stopped.ExecMainStartTimestampMonotonic) > 0);
    assert.deepEqual(
      { ActiveState, Result, ExecMainStatus },
      { ActiveState: "inactive", Result: "success", ExecMainStatus: "0" },
    );
    assert.equal(again.ActiveState, "active");
    assertHarmless(t, figures, "waited for the start");
  });
}

async function judgeCrashes(t: TestContext, crashes: Seen<Facts["crashes"]>): Promise<void> {
  const essential = ["source mqtt", "forward", "journal", "clock", "service", "units", "control"];

  await t.test("before them, a part that throws is started again alone", () => {
    assert.equal(crashes.planted[0], "part");
    assert.deepEqual([crashes.alone.NRestarts, crashes.alone.ActiveState], ["0", "active"]);
  });

  await t.test("each of them is one restart, whatever it was", () => {
    assert.deepEqual(crashes.planted, ["part", "critical", "stray", "critical", "peace"]);
    assert.deepEqual(crashes.results, ["exit-code", "signal", "exit-code", "exit-code", "signal"]);
    assert.equal(crashes.restarts, "5");
  });

  await t.test("then safe mode is said in the log, in STATUS and on the control socket", () => {
    const { safe, safeStatus, said } = crashes;
    assert.match(safe.StatusText, /^safe mode, /);
    assert.match(said[0] ?? "", /5 runs ended without being told to, mostly in the part \\"journal\\"/);
    assert.ok(safeStatus?.mode.kind === "safe");
    assert.deepEqual([safeStatus.mode.uncleanStarts, safeStatus.mode.suspect], [5, "journal"]);
    assert.deepEqual(
      safeStatus.starts.map(({ end, part }) => part ?? end),
      ["unknown", "journal", "crash", "unknown", "journal"],
      "the newest first",
    );
    const waiting = safeStatus.mode.waiting.map(({ part }) => part);
    assert.deepEqual(waiting, [
      "project",
      "node",
      "schema",
      "streams",
      "salvage",
      "report",
      "memory",
      "check",
    ]);
    assert.deepEqual(new Set(essential).difference(new Set(safeStatus.parts)), new Set());
    assert.deepEqual(new Set(waiting).intersection(new Set(safeStatus.parts)), new Set());
  });

  await t.test("after a time of peace the rest runs, without a restart", () => {
    for (const part of [...essential, "project", "node", "schema", "report"])
      assert.ok(crashes.healed.includes(part), `${part} runs again: ${crashes.healed.join(", ")}`);
  });

  await t.test("a clean stop does not undo five crashes of the last ten minutes, and time does", () => {
    const { soon, later, stopped } = crashes;
    assert.equal(stopped.Result, "success");
    assert.deepEqual([soon.kind, soon.kind === "safe" && soon.uncleanStarts], ["safe", 5]);
    assert.equal(later.kind, "normal");
  });

  await t.test("nothing is lost by all of it", (t) => {
    assertHarmless(t, crashes.figures, "waited for a restart");
  });
}

function lifeOf({
  ActiveState,
  NRestarts,
  MainPID,
}: Shown): Pick<Shown, "ActiveState" | "NRestarts" | "MainPID"> {
  return { ActiveState, NRestarts, MainPID };
}

function assertHarmless(t: TestContext, { account, steady, across }: Figures, others: string): void {
  const { details, ...counts } = account;
  t.diagnostic(
    `${counts.published} uplinks, lost ${counts.lost}, duplicates ${counts.duplicates}; ` +
      `publish to PUBACK of ${steady.count}: p99 ${steady.p99Ms.toFixed(0)} ms, worst ${steady.worstMs.toFixed(0)} ms; ` +
      `${across.count} ${others}, ${across.worstMs.toFixed(0)} ms at most`,
  );
  const { published } = counts;
  assert.ok(published >= 60 && steady.count >= 30, "there was load");
  assert.deepEqual(
    counts,
    { published, obliged: published, written: published, lost: 0, invented: 0, altered: 0, duplicates: 0 },
    details.join("\n"),
  );
  assert.ok(steady.p99Ms < p99WithinMs, `p99 ${steady.p99Ms} ms`);
}
