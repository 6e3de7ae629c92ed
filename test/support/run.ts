/**
 * Runs test files: node test/support/run.ts [options] FILE…
 *
 *   --failed-gate=NAME     a gate before the tests failed: counts as a failure (may be repeated)
 *   --name=PATTERN         only tests whose name matches
 *   --deadline=SECONDS     for one file (default 180, and longer for those that take their time by their nature);
 *                          then its process is killed and the file has failed
 *
 * Each file runs in a process of its own, two at a time, with a fresh TMPDIR for the whole run. A process
 * or a temporary file that outlives the tests is a failure. The last line is what reporter.ts says.
 */
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, relative } from "node:path";
import { run } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { childrenOf, processesWithMark, runMark, testFileOf } from "./processes.ts";
import type { Process } from "./processes.ts";
import { Report } from "./reporter.ts";

const filesAtOnce = 2;
const usualDeadlineS = 180;
/** They need half of it or less on a machine that has nothing else to do. */
const longDeadlineS: Readonly<Record<string, number>> = { "proof.test.ts": 420 };
/** A process that was told to stop may need a moment. */
const graceMs = 2000;

const { values: options, positionals: files } = parseArgs({
  allowPositionals: true,
  options: {
    "failed-gate": { type: "string", multiple: true, default: [] },
    name: { type: "string" },
    deadline: { type: "string" },
  },
});

const report = new Report({
  print: (text) => process.stdout.write(text),
  shorten: (file) => relative(process.cwd(), file),
  isPartial: options.name !== undefined,
});
for (const gate of options["failed-gate"]) report.failedBeside(`gate: ${gate}`, "its output is above");

const mark = `${process.pid}-${Date.now()}`;
const temporary = mkdtempSync(join(tmpdir(), "fl-test-"));
chmodSync(temporary, 0o755); // brokers that drop root must still reach their files
process.env[runMark] = mark;
process.env["TMPDIR"] = temporary;
// A run inside a test (the tests of this file) would otherwise be taken for a part of the outer one.
delete process.env["NODE_TEST_CONTEXT"];

const killed = new Set<string>();
if (files.length > 0) {
  const stopWatching = killOverdue((file) => killed.add(file));
  await runFiles();
  stopWatching();
}
for (const file of killed) {
  report.failedBeside(
    relative(process.cwd(), file),
    `it had not ended after ${deadlineS(file)} s and was killed: a test waits for ever, or a timer, socket or process is still open`,
  );
}
await reportLeftovers();
process.exitCode = report.finish() ? 0 : 1;

async function runFiles(): Promise<void> {
  const stream = run({
    files,
    concurrency: filesAtOnce,
    ...(options.name === undefined ? {} : { testNamePatterns: [options.name] }),
  });
  stream.on("test:start", (event) => report.started(event));
  stream.on("test:pass", (event) => report.passed(event));
  stream.on("test:fail", (event) => report.failed(event));
  stream.on("test:stdout", (event) => report.wrote(event.file, event.message));
  stream.on("test:stderr", (event) => report.wrote(event.file, event.message));
  stream.on("test:diagnostic", (event) => report.noted(event.file, event.message));
  stream.on("test:summary", (event) => {
    if (event.file !== undefined) report.fileEnded(event.file, event.duration_ms);
  });
  for await (const _event of stream);
}

function deadlineS(file: string): number {
  return Number(options.deadline ?? longDeadlineS[basename(file)] ?? usualDeadlineS);
}

/** Kills the process of each test file that runs longer than its deadline. Returns how to stop. */
function killOverdue(onKill: (file: string) => void): () => void {
  const firstSeenMs = new Map<number, number>();
  const timer = setInterval(() => {
    const nowMs = performance.now();
    for (const child of childrenOf(process.pid)) {
      const sinceMs = firstSeenMs.get(child.pid) ?? nowMs;
      firstSeenMs.set(child.pid, sinceMs);
      const file = testFileOf(child);
      if (nowMs - sinceMs < deadlineS(file) * 1000) continue;
      onKill(file);
      process.kill(child.pid, "SIGKILL");
    }
  }, 500);
  return () => clearInterval(timer);
}

/** Processes and temporary files that the tests did not clear away: reported, then cleared away. */
async function reportLeftovers(): Promise<void> {
  const waitUntilMs = performance.now() + graceMs;
  let left: Process[] = processesWithMark(mark);
  while (left.length > 0 && performance.now() < waitUntilMs) {
    await sleep(50);
    left = processesWithMark(mark);
  }
  for (const { pid, argv } of left) {
    report.failedBeside(`process ${pid} was left running`, argv.join(" ").slice(0, 300));
    process.kill(pid, "SIGKILL");
  }
  const names = readdirSync(temporary);
  if (names.length > 0) report.failedBeside("temporary files were left behind", names.join(", "));
  rmSync(temporary, { recursive: true, force: true });
}
