import assert from "node:assert/strict";
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import {
  deviceText,
  type HolderFacts,
  judgeHolders,
  nameOf,
  parseLocks,
  whoHolds,
} from "../../../src/doctor/journal-holders.ts";
import { temporaryFolder } from "../../support/wait.ts";

const daemon = [
  "/usr/lib/flightline/bin/node",
  "/usr/lib/flightline/dist/main.js",
  "run",
  "--config",
  "x.toml",
];

describe("the kernel's list", () => {
  test("is read as proc(5) has it, without those who only wait", () => {
    const text = `1: POSIX  ADVISORY  WRITE 1234 fe:01:131104 1073741824 1073742335
1: -> POSIX  ADVISORY  WRITE 99 fe:01:131104 1073741824 1073742335
2: FLOCK  ADVISORY  WRITE 1 fe:01:7 0 EOF
3: POSIX  ADVISORY  READ 1235 00:1f:18446744073709551615 128 128
4: OFDLCK ADVISORY  READ -1 fe:01:8 0 EOF
5: LEASE  ACTIVE    READ 1 fe:01:9 0 EOF
`;
    assert.deepEqual(parseLocks(text), [
      { isExclusive: true, pid: 1234, device: "fe:01", inode: 131_104n },
      { isExclusive: false, pid: 1235, device: "00:1f", inode: 18_446_744_073_709_551_615n },
      { isExclusive: false, pid: -1, device: "fe:01", inode: 8n },
    ]);
  });

  test("names a device as stat(2) does", () => {
    // 254:1, 179:2, 0:300 (a minor above 255), 259:65536.
    const devices = { "fe:01": 0xfe01n, "b3:02": 0xb302n, "00:12c": 0x10002cn, "103:10000": 0x10010300n };
    for (const [text, dev] of Object.entries(devices)) assert.equal(deviceText(dev), text, text);
  });
});

test("a daemon is known by how it was started", () => {
  assert.deepEqual(nameOf(daemon), { name: "flightline run", isDaemon: true });
  assert.deepEqual(nameOf(["/usr/bin/flightline", "run"]), { name: "flightline run", isDaemon: true });
  assert.deepEqual(nameOf(["/usr/bin/flightline", "mapping"]), { name: "flightline", isDaemon: false });
  assert.deepEqual(nameOf(["/usr/bin/sqlite3", "/var/lib/flightline/journal.db"]), {
    name: "sqlite3",
    isDaemon: false,
  });
  assert.deepEqual(nameOf([]), { name: "", isDaemon: false });
});

describe("who holds it", () => {
  const facts: HolderFacts = { holder: undefined, others: [], hasJournalOpen: false, pidFile: undefined };
  const said = (changes: Partial<HolderFacts>, daemonPid?: number): string[] =>
    judgeHolders({ ...facts, ...changes }, daemonPid).map(({ severity, text }) => `${severity}: ${text}`);

  test("nobody, after a clean stop and after another one", () => {
    assert.deepEqual(said({}), ["ok: free: no daemon has the directory"]);
    assert.match(
      said({ pidFile: "77" })[0] ?? "",
      /^warning: .*last daemon \(pid 77\) has not released it: it was killed/,
    );
  });

  test("the daemon, by its command line or because it answers", () => {
    const named = { pid: 7, name: "flightline run", isDaemon: true };
    assert.deepEqual(said({ holder: named }), ["ok: held by flightline run, pid 7"]);
    assert.deepEqual(said({ holder: { pid: 7, name: "", isDaemon: false } }, 7), [
      "ok: held by flightline run, pid 7",
    ]);
    assert.match(said({}, 7)[0] ?? "", /^ok: held by the daemon that answers, pid 7/);
  });

  test("a stranger is a failure, and one that has the journal open besides a warning", () => {
    const stranger = { pid: 8, name: "sqlite3", isDaemon: false };
    assert.match(said({ holder: stranger })[0] ?? "", /^failure: sqlite3 \(pid 8\) holds the directory/);
    const [, other] = said({ others: [stranger] });
    assert.match(other ?? "", /^warning: sqlite3 \(pid 8\) has the journal open too/);
    assert.match(
      said({ others: [{ ...stranger, name: "" }] })[1] ?? "",
      /a process of another user \(pid 8\)/,
    );
  });

  test("cannot be told without the list", () => {
    assert.equal(judgeHolders(undefined, undefined)[0]?.severity, "skipped");
  });
});

test("the daemon's own children are not strangers, and a device that stat does not know is bridged", async () => {
  await using folder = await temporaryFolder("doctor-holders");
  const dir = join(folder.path, "data");
  const proc = join(folder.path, "proc");
  mkdirSync(dir);
  for (const name of ["flightline.lock", "journal.db"]) writeFileSync(join(dir, name), "");
  writeFileSync(join(dir, "flightline.pid"), "100\n");
  const inode = (name: string): number => statSync(join(dir, name)).ino;
  const here = deviceText(statSync(dir, { bigint: true }).dev);
  const process = (pid: number, parent: number, words: readonly string[]): void => {
    mkdirSync(join(proc, String(pid)), { recursive: true });
    writeFileSync(join(proc, String(pid), "cmdline"), `${words.join("\0")}\0`);
    writeFileSync(join(proc, String(pid), "stat"), `${pid} (a) b (c) S ${parent} 1 1`);
  };
  process(100, 1, daemon);
  process(101, 100, ["node", "quick-check-process.js"]);
  process(200, 1, ["sqlite3"]);
  const lock = (kind: string, pid: number, device: string, name: string): string =>
    `1: POSIX  ADVISORY  ${kind} ${pid} ${device}:${inode(name)} 0 EOF\n`;
  writeFileSync(
    join(proc, "locks"),
    lock("WRITE", 100, "00:99", "flightline.lock") +
      lock("READ", 100, "00:99", "journal.db") +
      lock("READ", 101, here, "journal.db") +
      lock("READ", 200, here, "journal.db") +
      lock("READ", 300, "00:98", "journal.db"),
  );
  assert.deepEqual(await whoHolds(dir, proc), {
    holder: { pid: 100, name: "flightline run", isDaemon: true },
    others: [{ pid: 200, name: "sqlite3", isDaemon: false }],
    hasJournalOpen: true,
    pidFile: "100",
  });
  assert.equal(await whoHolds(dir, join(folder.path, "nothing")), undefined);
});
