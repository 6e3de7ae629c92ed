/**
 * Installs the crash record for the directory in argv[2] and dies, or not, in the way that argv[3] names.
 * "ready" on standard output says that the record is installed.
 */
import { writeSync } from "node:fs";
import { installCrashRecord } from "../../src/app/crash-handlers.ts";
import { configRedactor } from "../../src/app/redaction.ts";
import { aborted, sleep } from "../../src/lib/abort.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { Fault } from "../../src/lib/fault.ts";
import { Secret } from "../../src/lib/secret.ts";
import type { Life } from "../../src/supervision/child.ts";
import { ChildRun, runningPart } from "../../src/supervision/child-run.ts";

const [, , dir = "", way = "", look = "text"] = process.argv;

const handlers = installCrashRecord({
  dir,
  start: {
    bootId: "boot-a",
    uptimeMs: systemClock.uptimeMs(),
    startedAtMs: systemClock.nowMs(),
    version: "1.2.3",
  },
  part: runningPart,
  redact: configRedactor({ influx: { token: new Secret("t0ken") } }),
  clock: systemClock,
  isForJournald: look === "journald",
  exit: (code) => process.exit(code),
});
writeSync(1, "ready\n");

/** The child "forward", with a sibling, so that there is a wrong name to give. */
function inChild(run: (life: Life) => Promise<void>): void {
  const kind = {
    restart: "permanent",
    isCritical: false,
    progressDeadlineMs: 1e4,
    stopDeadlineMs: 1e4,
  } as const;
  ChildRun.start({ ...kind, name: "sibling", run: async ({ abort }) => await aborted(abort) }, systemClock);
  ChildRun.start({ ...kind, name: "forward", run }, systemClock);
}

function boom(): never {
  throw new TypeError("boom with t0ken\n<6>and a forged line\u001b[31m");
}

/** Whoever runs after the crash has kept the process alive in vain. */
function stayAlive(): void {
  setTimeout(() => writeSync(1, "still alive\n"), 60_000);
}

const ways: Readonly<Record<string, () => void>> = {
  timer: () => setTimeout(boom, 1),
  rejection: () => void Promise.reject(new TypeError("boom, nobody handles it")),
  "top level": () => boom(),
  "child timer": () => {
    inChild(async ({ abort }) => {
      setTimeout(boom, 1);
      await aborted(abort);
    });
  },
  "child rejection": () => {
    inChild(async ({ abort }) => {
      void sleep(1, abort).then(boom);
      await aborted(abort);
    });
  },
  "no error": () => {
    setTimeout(() => {
      // oxlint-disable-next-line typescript/only-throw-error -- a library may
      throw { token: "t0ken" } as unknown;
    }, 1);
  },
  "rejection of nothing": () => void Promise.reject(undefined),
  fault: () => {
    setTimeout(() => {
      const told = { layer: "journal", disposition: "restart", message: "a commit failed" } as const;
      throw new Fault({ code: "journal_write_failed", ...told });
    }, 1);
  },
  twice: () => {
    process.on("exit", boom);
    setTimeout(() => {
      throw new Error("the first");
    }, 1);
  },
  "caught and then not": () => {
    handlers.record(new Error("the first"), "journal");
    setTimeout(boom, 1);
  },
  "stack overflow": () => {
    const deeper = (): number => 1 + deeper();
    setTimeout(deeper, 1);
  },
  "heap full": () => {
    const kept: number[][] = [];
    for (;;) kept.push(Array.from({ length: 10_000 }, Math.random));
  },
  segv: () => process.kill(process.pid, "SIGSEGV"),
  removed: () => {
    handlers[Symbol.dispose]();
    setTimeout(boom, 1);
  },
};

stayAlive();
ways[way]?.();
