/** How long a probe waits for what, against servers that take their time. */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { TlsConfig } from "../../src/net/config.ts";
import { probe } from "../../src/net/probe.ts";
import { makeProbeCertificates } from "../support/probe-certificates.ts";
import { hastyMs, look } from "../support/probe-look.ts";
import { ProbeStage } from "../support/probe-stage.ts";

const files = makeProbeCertificates();
after(() => files.remove());

const trusting: TlsConfig = { verify: true, caFile: files.root };

test("a server that is slow and healthy is well, whatever it speaks besides", async (t) => {
  const stage = new ProbeStage(t);
  const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  const after = (ms: number) => (socket: Socket) =>
    void socket.once("data", (bytes) => {
      if (bytes.toString("latin1", 0, 3) === "PRI") socket.write(settings);
      else if (bytes.toString("latin1", 0, 3) !== "GET") socket.end();
      else setTimeout(() => socket.end("HTTP/1.1 200 OK\r\n\r\nOK"), ms);
    });
  const slow = `http://127.0.0.1:${await stage.tcp(after(800))}`;
  const { report, fault } = await look(slow, "http", trusting);
  assert.equal(fault, undefined, fault?.message);
  assert.deepEqual(
    report.plaintext?.answers.map(({ heard }) => heard),
    ["http1", "http2", undefined],
  );
  const hung = await look(`http://127.0.0.1:${await stage.tcp(after(20_000))}`, "http", trusting, hastyMs);
  assert.equal(hung.report.plaintext?.answers[0]?.end, "late");
  assert.equal(hung.fault, undefined, hung.fault?.message);
});

/** Passes on to that port who begins with a TLS handshake, after a while; says nothing to others. */
async function onlyTls(stage: ProbeStage, to: number, delayMs = 0): Promise<number> {
  return await stage.tcp((socket) => {
    socket.once("data", (first) => {
      if (first[0] !== 0x16) return;
      socket.pause();
      setTimeout(() => {
        const inner = connect(to, "127.0.0.1");
        inner.on("error", () => socket.destroy()).write(first);
        socket
          .on("close", () => inner.destroy())
          .pipe(inner)
          .pipe(socket);
      }, delayMs);
    });
  });
}

test("a port that speaks TLS and is silent in plaintext is not waited for there", async (t) => {
  const stage = new ProbeStage(t);
  const port = await onlyTls(stage, await stage.https(files.good));
  const rows = [
    [`https://127.0.0.1:${port}`, ""],
    [`http://127.0.0.1:${port}`, "server_is_tls"],
  ] as const;
  for (const [url, code] of rows) {
    const { report, fault } = await look(url, "http", trusting, 20_000);
    assert.equal(fault?.code ?? "", code, fault?.message);
    assert.ok(report.ms < 10_000, `${url} took ${report.ms} ms`);
  }
});

test("all steps together take twice as long as one at most", async (t) => {
  const stage = new ProbeStage(t);
  const [timeoutMs, nearlyMs] = [800, 600];
  const port = await onlyTls(stage, await stage.tls(files.good, (socket) => void socket.resume()), nearlyMs);
  const lookup = async (): Promise<readonly string[]> => {
    await sleep(nearlyMs);
    return ["127.0.0.1"];
  };
  const url = `https://influx.example:${port}`;
  const target = { url, tls: { verify: false }, speaks: "http", timeoutMs } as const;
  const report = await probe(target, undefined, { lookup });
  assert.equal(report.tls?.failure, undefined);
  assert.equal(report.inside?.end, "late");
  const mostMs = 2 * timeoutMs;
  assert.ok(report.ms >= mostMs - 50 && report.ms < mostMs + 300, `it took ${report.ms} ms`);
});
