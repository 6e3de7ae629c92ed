import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Fault } from "../../../src/lib/fault.ts";
import { enqueue } from "../../../src/systemd/notify-program.ts";
import {
  extendTimeout,
  notifyReady,
  notifyReloading,
  notifyStatus,
  notifyStopping,
  openNotifier,
  pingWatchdog,
  type Notifier,
  type NotifierDeps,
} from "../../../src/systemd/notify.ts";
import { temporaryFolder, waitFor } from "../../support/wait.ts";

const env = { NOTIFY_SOCKET: "/nonexistent/notify" };

/** A notifier on a libsystemd that only takes down what it is given. */
function recorded(answer: () => number = () => 1): { notifier: Notifier; messages: string[] } {
  const messages: string[] = [];
  const notifier = openNotifier(env, {
    loadSdNotify: () => (state) => {
      messages.push(state);
      return answer();
    },
  });
  return { notifier, messages };
}

/** Asked anew each time: to the compiler a property that was undefined once stays so. */
function faultOf(notifier: Notifier): Fault | undefined {
  return notifier.lastFault;
}

describe("what is sent", () => {
  test("each function sends the variables of sd_notify(3)", () => {
    const { notifier, messages } = recorded();
    notifyReady(notifier);
    notifyStatus(notifier, "3 uplinks wait");
    pingWatchdog(notifier);
    extendTimeout(notifier, 1500.0001);
    notifyStopping(notifier);
    assert.deepEqual(messages, [
      "READY=1",
      "STATUS=3 uplinks wait",
      "WATCHDOG=1",
      "EXTEND_TIMEOUT_USEC=1500001",
      "STOPPING=1",
    ]);
    assert.equal(notifier.way, "libsystemd");
  });

  test("a reload carries the monotonic time at which it began, in one message", () => {
    const { notifier, messages } = recorded();
    const beforeUs = process.hrtime.bigint() / 1000n;
    notifyReloading(notifier);
    const match = /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(messages[0] ?? "");
    const sentUs = BigInt(match?.[1] ?? 0);
    assert.ok(sentUs >= beforeUs && sentUs <= process.hrtime.bigint() / 1000n, messages[0]);
  });

  test("nothing in a value or a key starts another assignment", () => {
    const { notifier, messages } = recorded();
    for (const separator of ["\n", "\r\n", "\0", "\u0085", "\u2028", "\u2029", "\u001b[2J\n"]) {
      notifyStatus(notifier, `a${separator}WATCHDOG=1`);
      notifier.send({ [`STATUS${separator}X`]: "b" });
    }
    assert.equal(messages.length, 14);
    for (const message of messages) assert.doesNotMatch(message, /[\p{Cc}\u2028\u2029]/u);
    assert.equal(messages[0], "STATUS=a WATCHDOG=1");
  });

  test("a long text is cut below what systemd reads, and stays valid UTF-8", () => {
    const { notifier, messages } = recorded();
    for (const text of [
      "x".repeat(10_000),
      "→".repeat(10_000),
      "😀".repeat(10_000),
      "a" + "😀".repeat(10_000),
    ])
      notifyStatus(notifier, text);
    for (const message of messages) {
      assert.ok(Buffer.byteLength(message) <= 4000, `${Buffer.byteLength(message)} bytes`);
      assert.ok(message.isWellFormed());
    }
  });
});

describe("failures", () => {
  test("a refused message is a fault that is kept until one gets out, and never an exception", () => {
    let answer = -111;
    const { notifier } = recorded(() => answer);
    assert.equal(faultOf(notifier), undefined);
    pingWatchdog(notifier);
    assert.equal(faultOf(notifier)?.code, "notify_failed");
    assert.equal(faultOf(notifier)?.layer, "host");
    assert.match(faultOf(notifier)?.message ?? "", /libsystemd.*connection refused/);
    answer = 0;
    pingWatchdog(notifier);
    assert.match(faultOf(notifier)?.message ?? "", /NOTIFY_SOCKET/);
    answer = 1;
    pingWatchdog(notifier);
    assert.equal(faultOf(notifier), undefined);
  });

  test("without NOTIFY_SOCKET nothing is loaded, sent or expected", async () => {
    for (const none of [{ WATCHDOG_USEC: "1000000" }, { NOTIFY_SOCKET: "", WATCHDOG_USEC: "1000000" }]) {
      const notifier = openNotifier(none, { loadSdNotify: () => assert.fail("it was loaded") });
      notifyReady(notifier);
      assert.equal(notifier.way, "none");
      assert.equal(notifier.watchdogMs, undefined);
      assert.equal(notifier.lastFault, undefined);
      await notifier.close();
    }
  });

  test("nothing is sent after close", async () => {
    const { notifier, messages } = recorded();
    await notifier.close();
    notifyReady(notifier);
    assert.deepEqual(messages, []);
  });
});

test("the watchdog's period counts when it is meant for this process", () => {
  const cases = [
    [{ WATCHDOG_USEC: "60000000" }, 60_000],
    [{ WATCHDOG_USEC: "60000000", WATCHDOG_PID: "7" }, 60_000],
    [{ WATCHDOG_USEC: "60000000", WATCHDOG_PID: "" }, 60_000],
    [{ WATCHDOG_USEC: "60000000", WATCHDOG_PID: "8" }, undefined],
    [{ WATCHDOG_USEC: "0" }, undefined],
    [{ WATCHDOG_USEC: "-1" }, undefined],
    [{ WATCHDOG_USEC: "1s" }, undefined],
    [{ WATCHDOG_PID: "7" }, undefined],
  ] as const;
  for (const [variables, expected] of cases) {
    const notifier = openNotifier({ ...env, ...variables }, { loadSdNotify: () => () => 1, pid: 7 });
    assert.equal(notifier.watchdogMs, expected, JSON.stringify(variables));
  }
});

describe("by the program", () => {
  test("the newest STATUS and WATCHDOG win among what waits; everything else keeps its place", () => {
    const sent = [["RELOADING=1", "MONOTONIC_USEC=5"], ["STATUS=a"], ["READY=1", "STATUS=b"], ["WATCHDOG=1"]];
    const newest = [["STATUS=c"], ["WATCHDOG=1"], ["STOPPING=1"]];
    const waiting = [...sent, ...newest].reduce<readonly (readonly string[])[]>(enqueue, []);
    assert.deepEqual(waiting, [
      ["RELOADING=1", "MONOTONIC_USEC=5"],
      ["READY=1"],
      ["STATUS=c"],
      ["WATCHDOG=1"],
      ["STOPPING=1"],
    ]);
  });

  interface Program {
    readonly notifier: Notifier;
    /** The arguments of each run that has begun. */
    readonly runs: () => string[];
    readonly gate: string;
  }

  /** A program that notes its arguments, waits until the file `gate` is there, and ends by `last`. */
  async function withProgram(
    last: string,
    deps: NotifierDeps,
    check: (program: Program) => Promise<void>,
  ): Promise<void> {
    await using folder = await temporaryFolder("notify");
    const [program, log, gate] = ["program", "log", "gate"].map((name) => join(folder.path, name));
    if (program === undefined || log === undefined || gate === undefined) throw new Error("no names");
    writeFileSync(
      program,
      `#!/bin/sh\necho "$*" >>${log}\nwhile [ ! -e ${gate} ]; do sleep 0.01; done\n${last}\n`,
    );
    chmodSync(program, 0o755);
    const notifier = openNotifier(env, { loadSdNotify: () => undefined, program: [program], ...deps });
    // Only whole lines: the shell makes the file before it writes to it.
    const runs = (): string[] => (existsSync(log) ? readFileSync(log, "utf8").split("\n").slice(0, -1) : []);
    try {
      await check({ notifier, runs, gate });
    } finally {
      await notifier.close();
    }
  }

  test("one run at a time, in order, the replaced ones left out", async () => {
    await withProgram("exit 0", {}, async ({ notifier, runs, gate }) => {
      assert.equal(notifier.way, "systemd-notify");
      notifyReady(notifier);
      await waitFor(() => runs().length === 1, { what: "the first run" });
      for (let i = 0; i < 50; i += 1) {
        notifyStatus(notifier, `${i} uplinks`);
        pingWatchdog(notifier);
      }
      notifyStopping(notifier);
      assert.deepEqual(runs(), ["-- READY=1"]);
      writeFileSync(gate, "");
      await notifier.close();
      assert.deepEqual(runs(), ["-- READY=1", "-- STATUS=49 uplinks", "-- WATCHDOG=1", "-- STOPPING=1"]);
      assert.equal(notifier.lastFault, undefined);
    });
  });

  test("what it says when it fails is in the fault", async () => {
    await withProgram("echo 'No status data' >&2; exit 1", {}, async ({ notifier, gate }) => {
      writeFileSync(gate, "");
      notifyReady(notifier);
      await waitFor(() => notifier.lastFault, { what: "the fault" });
      assert.match(notifier.lastFault?.message ?? "", /systemd-notify.*No status data/);
    });
  });

  test("a program that does not exist is a fault", async () => {
    await withProgram("", { program: ["/nonexistent/notify"] }, async ({ notifier }) => {
      notifyReady(notifier);
      await waitFor(() => notifier.lastFault, { what: "the fault" });
      assert.match(notifier.lastFault?.message ?? "", /ENOENT/);
    });
  });

  test("a program that hangs is killed, and the next message goes out", async () => {
    await withProgram("exit 0", { programTimeoutMs: 100 }, async ({ notifier, runs }) => {
      notifyReady(notifier);
      notifyStopping(notifier);
      await waitFor(() => runs().length === 2, { what: "the second run" });
      assert.match(notifier.lastFault?.message ?? "", /SIGKILL/);
    });
  });

  test("what waits for a program that hangs is bounded, and the loss is a fault", async () => {
    await withProgram("exit 0", { closeTimeoutMs: 50 }, async ({ notifier, runs }) => {
      for (let i = 0; i < 9; i += 1) notifyReady(notifier);
      assert.equal(faultOf(notifier), undefined);
      notifyReady(notifier);
      assert.match(faultOf(notifier)?.message ?? "", /the oldest of them was given up/);
      await waitFor(() => runs().length === 1, { what: "the first run" });
    });
  });

  test("close does not wait for ever", async () => {
    await withProgram("exit 0", { closeTimeoutMs: 50 }, async ({ notifier, runs }) => {
      notifyReady(notifier);
      notifyStopping(notifier);
      await waitFor(() => runs().length === 1, { what: "the first run" });
      await notifier.close();
      assert.deepEqual(runs(), ["-- READY=1"]);
    });
  });
});

test("the real libsystemd answers with an error when nobody is at the socket", (t) => {
  const before = process.env["NOTIFY_SOCKET"];
  process.env["NOTIFY_SOCKET"] = env.NOTIFY_SOCKET;
  const notifier = openNotifier(process.env);
  if (notifier.way === "libsystemd") {
    pingWatchdog(notifier);
    assert.match(notifier.lastFault?.message ?? "", /no such file or directory/);
  } else t.skip("this machine has no libsystemd");
  if (before === undefined) delete process.env["NOTIFY_SOCKET"];
  else process.env["NOTIFY_SOCKET"] = before;
});
