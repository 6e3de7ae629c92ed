import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { Fault } from "../../../src/lib/fault.ts";
import { Secret } from "../../../src/lib/secret.ts";
import { controlPath, runtimeDirectory } from "../../../src/status/control-path.ts";
import { statusFromJson } from "../../../src/status/wire.ts";
import { waitFor } from "../../support/wait.ts";
import { directory, parseReply, rawClient, request, startControl } from "./control-fixture.ts";
import { daemonStatus, part } from "./fixture.ts";

function socketIn(t: TestContext): string {
  return join(directory(t), "control.sock");
}

async function rejectsWith(code: string, promise: Promise<unknown>, text: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof Fault, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, text);
    return true;
  });
}

/** There is room for one more. */
async function healthHeard(t: TestContext, path: string): Promise<void> {
  const heard = async (): Promise<boolean> => {
    const { received } = await rawClient(t, path, "GET /health HTTP/1.1\r\nHost: f\r\n\r\n");
    return (await received).startsWith("HTTP/1.1 200");
  };
  await waitFor(heard, { what: "an answer, when others have gone" });
}

describe("what is answered", () => {
  test("GET /status is the whole status as JSON, not to be kept by anybody", async (t) => {
    const counters = {
      ...daemonStatus().snapshot.counters,
      unmapped: new Map([["join", 3]]),
      quarantined: new Map([["decode_empty", 2]]),
    };
    const status = daemonStatus({ parts: [part("mqtt", { state: "parked" })], snapshot: { counters } });
    const { path } = await startControl(t, socketIn(t), { status: () => status });
    const { code, headers, body } = await request(t, path, "GET /status");
    assert.equal(code, 200);
    assert.equal(headers.get("content-type"), "application/json; charset=utf-8");
    assert.equal(headers.get("cache-control"), "no-store");
    assert.deepEqual(JSON.parse(body), {
      ...(JSON.parse(JSON.stringify(status)) as object),
      format: 1,
      snapshot: {
        ...(JSON.parse(JSON.stringify(status.snapshot)) as object),
        counters: {
          ...counters,
          unmapped: { join: 3 },
          quarantined: { decode_empty: 2 },
          deadLines: {},
          deadMessages: {},
        },
      },
    });
    const back = statusFromJson(body);
    assert.deepEqual(back?.snapshot.counters, counters);
    assert.equal(back?.parts[0]?.state, "parked");
  });

  test("GET /health is 200 when all is well, else 503 with the reason", async (t) => {
    let reason = "";
    const { path } = await startControl(t, socketIn(t), { health: () => reason });
    const well = await request(t, path, "GET /health?verbose=1");
    assert.deepEqual([well.code, well.body], [200, '{"ok":true}\n']);
    reason = "journal has been silent for 70 s";
    const ill = await request(t, path, "GET /health");
    assert.equal(ill.code, 503);
    assert.deepEqual(JSON.parse(ill.body), { ok: false, reason });
  });

  test("elsewhere is 404 with what there is; other methods are 405", async (t) => {
    const { path } = await startControl(t, socketIn(t));
    const elsewhere = await request(t, path, "GET /../etc/passwd");
    assert.equal(elsewhere.code, 404);
    assert.deepEqual(JSON.parse(elsewhere.body), {
      error: "there is nothing at /../etc/passwd",
      paths: ["/status", "/health"],
    });
    for (const method of ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"]) {
      const { code, headers } = await request(t, path, `${method} /status`);
      assert.deepEqual([code, headers.get("allow")], [405, "GET"], method);
    }
  });

  test("no token gets out, wherever one hangs on a status", async (t) => {
    const token = "apiv3_0123456789abcdef";
    const fault = new Fault({
      code: "write_unauthorized",
      layer: "write",
      disposition: "fatal",
      message: "InfluxDB does not know the token",
      hint: "put a valid token into token_file",
      cause: Object.assign(new Error(`Bearer ${token}`), { headers: { authorization: token } }),
    });
    // More than the contract knows, as when somebody passes on an object that has more members.
    const config = { url: "http://127.0.0.1:8181", token: new Secret(token) };
    const databases = [{ name: "lorawan", state: "away" as const, config }];
    const status = daemonStatus({
      parts: [part("forward", { lastFault: fault })],
      troubles: [Object.assign(fault, { where: "lorawan", severity: "bad" as const })],
      snapshot: { databases },
    });
    const { path } = await startControl(t, socketIn(t), { status: () => status });
    const { body } = await request(t, path, "GET /status");
    assert.ok(!body.includes(token), body);
    assert.deepEqual(statusFromJson(body)?.parts[0]?.lastFault, {
      code: "write_unauthorized",
      message: "InfluxDB does not know the token",
      hint: "put a valid token into token_file",
    });
    assert.match(body, /"token":"\[secret\]"/);
  });
});

describe("what a client can take is bounded", () => {
  test("one that says nothing, or half a request, or never reads, is dropped", async (t) => {
    const large = daemonStatus({ version: "x".repeat(8_000_000) });
    const { path } = await startControl(t, socketIn(t), { connectionMs: 50, status: () => large });
    for (const bytes of ["", "GET /sta", "POST /status HTTP/1.1\r\nHost: f\r\nContent-Length: 9\r\n\r\nx"]) {
      const { received } = await rawClient(t, path, bytes);
      assert.doesNotMatch(await received, /200 OK/, bytes);
    }
    const deaf = Array.from({ length: 8 }, async () => {
      const { socket } = await rawClient(t, path, "GET /status HTTP/1.1\r\nHost: f\r\n\r\n");
      socket.pause();
    });
    await Promise.all(deaf);
    await healthHeard(t, path);
  });

  test("a request of more than 4 KiB is refused, and a body is not waited for", async (t) => {
    let asked = 0;
    const status = (): ReturnType<typeof daemonStatus> => {
      asked += 1;
      return daemonStatus();
    };
    const { path } = await startControl(t, socketIn(t), { status });
    const long = await request(t, path, "GET /status", `X-Long: ${"x".repeat(5000)}\r\n`);
    assert.deepEqual([long.code, asked], [431, 0]);
    const body = await request(t, path, "GET /status", "Content-Length: 1000000000\r\n");
    assert.deepEqual([body.code, asked], [200, 1]);
  });

  test("a connection is for one request, also when a hundred come in one packet", async (t) => {
    let asked = 0;
    const { path } = await startControl(t, socketIn(t), {
      health: () => {
        asked += 1;
        return "";
      },
    });
    const { received } = await rawClient(t, path, "GET /health HTTP/1.1\r\nHost: f\r\n\r\n".repeat(100));
    assert.equal(parseReply(await received).headers.get("connection"), "close");
    assert.equal(asked, 1);
  });

  test("no more than eight at once, and the others are heard again when one has gone", async (t) => {
    const { path } = await startControl(t, socketIn(t));
    const hanging = await Promise.all(Array.from({ length: 8 }, async () => await rawClient(t, path, "")));
    const ninth = await rawClient(t, path, "GET /health HTTP/1.1\r\nHost: f\r\n\r\n");
    assert.equal(await ninth.received, "", "closed without an answer");
    hanging[0]?.socket.destroy();
    await healthHeard(t, path);
  });
});

describe("the socket's file", () => {
  test("is for the user and the group, whatever the umask, and gone afterwards with all connections", async (t) => {
    const path = socketIn(t);
    const umask = process.umask(0o077);
    t.after(() => {
      process.umask(umask);
    });
    const running = await startControl(t, path);
    assert.equal(statSync(path).mode & 0o7777, 0o660);
    assert.deepEqual(readdirSync(join(path, "..")), ["control.sock"]);
    const hanging = await rawClient(t, path, "GET /sta");
    await running.stop();
    assert.equal(await hanging.received, "");
    assert.deepEqual(readdirSync(join(path, "..")), []);
  });

  test("of a daemon that was killed is replaced", async (t) => {
    const path = socketIn(t);
    const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
    const killed = spawn(process.execPath, ["-e", script]);
    await new Promise((resolve) => killed.once("exit", resolve));
    assert.ok(statSync(path).isSocket());
    await startControl(t, path);
    assert.equal((await request(t, path, "GET /health")).code, 200);
  });

  test("of a daemon that lives is left to it", async (t) => {
    const path = socketIn(t);
    const first = await startControl(t, path);
    await rejectsWith("control_in_use", startControl(t, path), /another daemon answers at .*control\.sock/);
    assert.equal((await request(t, path, "GET /health")).code, 200);
    await first.stop();
    assert.ok(!existsSync(path));
  });

  test("that is none, or cannot be made, is a fault and stays as it is", async (t) => {
    const dir = directory(t);
    const path = join(dir, "control.sock");
    writeFileSync(path, "kept");
    await rejectsWith(
      "control_unavailable",
      startControl(t, path),
      /a file that is no socket is in the way$/,
    );
    assert.equal(statSync(path).size, 4);
    rmSync(path);
    symlinkSync("nowhere", path);
    await rejectsWith("control_unavailable", startControl(t, path), /is in the way$/);
    await rejectsWith("control_unavailable", startControl(t, join(dir, "no", "control.sock")), /ENOENT$/);
  });

  test("of more than 107 bytes is a fault that says so; one of 107 works", async (t) => {
    const dir = directory(t);
    const path = join(dir, "x".repeat(107 - dir.length - 1));
    const running = await startControl(t, path);
    assert.equal((await request(t, path, "GET /health")).code, 200);
    await running.stop();
    await rejectsWith(
      "control_path_too_long",
      startControl(t, `${path}x`),
      /has 108 bytes, and may have 107/,
    );
    await rejectsWith(
      "control_path_too_long",
      startControl(t, `${path.slice(0, -1)}ü`),
      /has 108 bytes, and may have 107/,
    );
  });

  test("that is taken away ends the run with a fault, and what took its place is not removed", async (t) => {
    const path = socketIn(t);
    const running = await startControl(t, path, { lookEveryMs: 5 });
    await waitFor(() => running.beats() > 2, { what: "some looks at the file" });
    rmSync(path);
    const other = createServer((socket: Socket) => socket.end());
    await new Promise<void>((resolve) => {
      other.listen(path, resolve);
    });
    t.after(() => {
      other.close();
    });
    await rejectsWith("control_unavailable", running.ended, /it was removed from outside$/);
    assert.ok(statSync(path).isSocket());
  });
});

test("a bug in an answer ends the run with it, and leaves nothing", async (t) => {
  const path = socketIn(t);
  const bug = new Error("a bug");
  const running = await startControl(t, path, {
    status: () => {
      throw bug;
    },
  });
  const { received } = await rawClient(t, path, "GET /status HTTP/1.1\r\nHost: f\r\n\r\n");
  await assert.rejects(running.ended, bug);
  assert.equal(await received, "");
  assert.ok(!existsSync(path));
});

test("aborted before it begins it makes nothing that stays", async (t) => {
  const path = socketIn(t);
  const { runControlSocket } = await import("../../../src/status/control.ts");
  const silent = (): void => undefined;
  const deps = { path, status: daemonStatus, health: () => "", ready: silent, beat: silent };
  await runControlSocket(deps, AbortSignal.abort());
  assert.ok(!existsSync(path));
});

test("curl gets an answer as the documentation says it", async (t) => {
  const { path } = await startControl(t, socketIn(t));
  try {
    execFileSync("curl", ["--version"], { stdio: "ignore" });
  } catch {
    t.skip("there is no curl");
    return;
  }
  const curl = spawn("curl", ["-s", "--unix-socket", path, "http://flightline/health"]);
  let text = "";
  curl.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  await new Promise((resolve) => curl.once("close", resolve));
  assert.equal(text, '{"ok":true}\n');
});

test("it is in systemd's runtime directory, else beside the databases", () => {
  const rows: readonly (readonly [string | undefined, string])[] = [
    [undefined, "/data/control.sock"],
    ["", "/data/control.sock"],
    ["/run/flightline", "/run/flightline/control.sock"],
    ["/run/flightline:/run/other", "/run/flightline/control.sock"],
  ];
  for (const [RUNTIME_DIRECTORY, expected] of rows) {
    assert.equal(controlPath(runtimeDirectory({ RUNTIME_DIRECTORY }), "/data"), expected);
  }
});
