import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { Fault } from "../../../src/lib/fault.ts";
import { accessHint, type Barrier } from "../../../src/status/control-access.ts";
import { askStatus, type AskOptions } from "../../../src/status/control-client.ts";
import { waitFor } from "../../support/wait.ts";
import { directory, startControl } from "./control-fixture.ts";
import { daemonStatus } from "./fixture.ts";

const isRoot = process.geteuid?.() === 0;

/** Until it is disposed of, this process is nobody's. */
function stranger(): Disposable {
  const groups = process.getgroups?.() ?? [];
  const group = process.getegid?.() ?? 0;
  process.setgroups?.([]);
  process.setegid?.(65_534);
  process.seteuid?.(65_534);
  return {
    [Symbol.dispose]() {
      process.seteuid?.(0);
      process.setegid?.(group);
      process.setgroups?.(groups);
    },
  };
}

const patient: AskOptions = { signal: new AbortController().signal };
const hasty: AskOptions = { ...patient, timeoutMs: 30 };

test("what this process finds after a standstill of its own is no silent daemon", async (t) => {
  const running = askStatus(join(directory(t), "control.sock"), { ...patient, timeoutMs: 200 });
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
  assert.deepEqual(await running, { found: "not there" });
});

/** A server that says these bytes to everybody, and closes when they are not the last. */
async function speaker(t: TestContext, bytes: string | undefined): Promise<string> {
  const path = join(directory(t), "control.sock");
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => {
      if (bytes !== undefined) socket.end(bytes);
    });
    t.after(() => socket.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  t.after(() => server.close());
  return path;
}

async function faultOf(asked: Promise<unknown>): Promise<Fault> {
  const fault = await asked.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(fault instanceof Fault, String(fault));
  return fault;
}

test("a daemon's status comes back as it was, and as the text that came", async (t) => {
  const { path } = await startControl(t, join(directory(t), "control.sock"));
  const answer = await askStatus(path, patient);
  assert.ok("status" in answer);
  const { format, ...rest } = answer.status as typeof answer.status & { readonly format: number };
  assert.equal(format, 1);
  const { units: _none, oldestUnsentAgoMs, ...expected } = daemonStatus();
  assert.deepEqual({ ...rest.snapshot.counters }, expected.snapshot.counters);
  assert.equal(rest.oldestUnsentAgoMs, oldestUnsentAgoMs);
  assert.deepEqual(rest.service.watchdogMs, expected.service.watchdogMs);
  assert.equal((JSON.parse(answer.text) as { readonly pid: number }).pid, expected.pid);
});

test("where no daemon is, it is told what is there instead", async (t) => {
  const dir = directory(t);
  const file = join(dir, "file");
  writeFileSync(file, "");
  const left = join(dir, "left.sock");
  const script = `require("node:net").createServer().listen(${JSON.stringify(left)}, () => process.kill(process.pid, "SIGKILL"))`;
  await new Promise((resolve) => spawn(process.execPath, ["-e", script]).once("exit", resolve));
  const rows: readonly (readonly [string, string])[] = [
    [join(dir, "none.sock"), "not there"],
    [join(dir, "none", "none.sock"), "not there"],
    [join(file, "none.sock"), "not there"],
    [file, "nobody listens"],
    [left, "nobody listens"],
    [join(dir, "x".repeat(100)), "too long for the path of a socket"],
  ];
  for (const [path, found] of rows) assert.deepEqual(await askStatus(path, patient), { found }, path);
});

describe("what is no answer is a fault", () => {
  test("silence, of a daemon that is stopped for instance", async (t) => {
    const fault = await faultOf(askStatus(await speaker(t, undefined), hasty));
    assert.equal(fault.code, "daemon_silent");
    assert.match(fault.message, /has not answered within 0\.03 s$/);
    assert.match(fault.hint ?? "", /systemctl restart flightline/);
  });

  test("an answer that never ends", async (t) => {
    const begun = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{";
    const path = join(directory(t), "control.sock");
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.write(begun);
      t.after(() => socket.destroy());
    });
    await new Promise<void>((resolve) => {
      server.listen(path, resolve);
    });
    t.after(() => server.close());
    assert.equal((await faultOf(askStatus(path, hasty))).code, "daemon_silent");
  });

  test("a closed connection, another program, another version, too much", async (t) => {
    const reply = (head: string, body: string): string =>
      `HTTP/1.1 ${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
    const rows: readonly (readonly [string, RegExp])[] = [
      ["", /closed without an answer$/],
      ["220 mail.example.net ESMTP\r\n", /HPE_/],
      [reply("200 OK", "hello"), /no status in a format that is known here$/],
      [reply("200 OK", "null"), /no status in a format that is known here$/],
      [reply("200 OK", '{"format":2}'), /no status in a format that is known here$/],
      [reply("404 Not Found", "{}"), /HTTP 404$/],
      [reply("200 OK", " ".repeat(4 * 1024 * 1024 + 1)), /more than 4194304 bytes$/],
    ];
    for (const [bytes, words] of rows) {
      const fault = await faultOf(askStatus(await speaker(t, bytes), patient));
      assert.equal(fault.code, "control_answer_unusable", bytes.slice(0, 20));
      assert.match(fault.message, words);
    }
  });

  test("a socket that this user may not open: the hint says who may", async (t) => {
    const dir = directory(t);
    const inner = join(dir, "inner");
    mkdirSync(inner);
    const { path } = await startControl(t, join(inner, "control.sock"));
    const asStranger = async (): Promise<Fault> => {
      // To root nothing is forbidden, and to the owner what the mode says.
      if (!isRoot) chmodSync(path, 0o060);
      using _stranger = isRoot ? stranger() : undefined;
      return await faultOf(askStatus(path, patient));
    };
    chmodSync(dir, 0o755);
    const shut = await asStranger();
    assert.equal(shut.code, "control_forbidden");
    assert.match(shut.hint ?? "", /^it is for the group \w+: run this command with sudo/);
    if (!isRoot) return;
    chmodSync(inner, 0o700);
    const far = await asStranger();
    assert.equal(far.code, "control_forbidden");
    assert.equal(far.hint, `the directory ${inner} is for the user root only: run this command with sudo`);
    chmodSync(inner, 0o755);
  });
});

test("the hint names the group that may, where a group may", () => {
  const socket: Barrier = { path: "/run/f.sock", isSocket: true, mode: 0o140_660, owner: "f", group: "iot" };
  const rows: readonly (readonly [Partial<Barrier>, string])[] = [
    [
      {},
      'it is for the group iot: run this command with sudo, or join it with sudo usermod -aG iot "$USER" and log in again',
    ],
    [{ group: "root" }, "it is for the group root: run this command with sudo"],
    [{ mode: 0o140_640 }, "it is for the user f only: run this command with sudo"],
    [
      { path: "/var/lib/f", isSocket: false, mode: 0o040_700 },
      "the directory /var/lib/f is for the user f only: run this command with sudo",
    ],
    [
      { path: "/var/lib/f", isSocket: false, mode: 0o040_750 },
      'the directory /var/lib/f is for the group iot: run this command with sudo, or join it with sudo usermod -aG iot "$USER" and log in again',
    ],
  ];
  for (const [changes, hint] of rows) assert.equal(accessHint({ ...socket, ...changes }), hint);
});

test("interrupted, it rejects with the reason at once", async (t) => {
  const path = await speaker(t, undefined);
  const stop = new AbortController();
  const asked = askStatus(path, { signal: stop.signal });
  const reason = new Error("SIGINT");
  setImmediate(() => {
    stop.abort(reason);
  });
  await assert.rejects(asked, reason);
  await assert.rejects(askStatus(path, { signal: stop.signal }), reason);
});

test("a status that takes a while is waited for", async (t) => {
  let asked = 0;
  const later = Promise.withResolvers<ReturnType<typeof daemonStatus>>();
  const { path } = await startControl(t, join(directory(t), "control.sock"), {
    status: async () => {
      asked += 1;
      return await later.promise;
    },
  });
  const answer = askStatus(path, patient);
  await waitFor(() => asked > 0, { what: "the question" });
  later.resolve(daemonStatus({ pid: 77 }));
  const got = await answer;
  assert.ok("status" in got && got.status.pid === 77);
});
