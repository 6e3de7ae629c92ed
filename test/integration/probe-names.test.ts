/** Names that do not exist, and DNS that does not answer: with a DNS server of the test's own. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import type { TestContext } from "node:test";
import type { Fault } from "../../src/lib/fault.ts";
import { explain } from "../../src/net/probe-explain.ts";
import type { ProbeReport } from "../../src/net/probe-report.ts";
import type { Names } from "../../src/net/probe-resolve.ts";
import { probe } from "../../src/net/probe.ts";
import { ProbeStage } from "../support/probe-stage.ts";

const timeoutMs = 400;
const noName = 3;
const failed = 2;

/** Answers each question with this code (RFC 1035 §4.1.1); undefined: with nothing. Gives its address. */
async function dnsServer(t: TestContext, responseCode: number | undefined): Promise<string> {
  const socket = createSocket("udp4");
  socket.on("message", (query, from) => {
    if (responseCode === undefined) return;
    const answer = Buffer.from(query);
    answer[2] = 0x81;
    answer[3] = 0x80 | responseCode;
    socket.send(answer, from.port, from.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  t.after(() => socket.close());
  return `127.0.0.1:${socket.address().port}`;
}

async function look(
  names: Names,
  port = 8181,
): Promise<{ readonly report: ProbeReport; readonly fault: Fault | undefined }> {
  const url = `http://influx.example:${port}`;
  const report = await probe({ url, tls: { verify: true }, speaks: "http", timeoutMs }, undefined, names);
  assert.ok(report.ms < 2 * timeoutMs + 250, `it took ${report.ms} ms`);
  return { report, fault: explain(report, { target: "write", url }) };
}

async function unknown(): Promise<never> {
  throw Object.assign(new Error("getaddrinfo"), { code: "ENOTFOUND" });
}

test("a name that DNS itself does not know does not exist", async (t) => {
  const { report, fault } = await look({ lookup: unknown, dnsServers: [await dnsServer(t, noName)] });
  assert.equal(report.resolve.why, "no_such_name");
  assert.equal(report.connect, undefined);
  assert.equal(fault?.code, "name_not_found");
  assert.match(fault.hint ?? "", /getent hosts influx\.example/);
});

test("a name that the system does not know while DNS is silent or fails may exist", async (t) => {
  for (const responseCode of [undefined, failed]) {
    const { fault } = await look({ lookup: unknown, dnsServers: [await dnsServer(t, responseCode)] });
    assert.equal(fault?.code, "name_lookup_failed");
    assert.match(fault.hint ?? "", /resolv\.conf/);
  }
});

test("a lookup that fails, or that is not over in time, is DNS that does not answer", async () => {
  const never = new Promise<readonly string[]>(() => {});
  const failing = Promise.reject(Object.assign(new Error("getaddrinfo"), { code: "EAI_AGAIN" }));
  failing.catch(() => {});
  for (const lookup of [never, failing]) {
    const { fault } = await look({ lookup: async () => await lookup });
    assert.equal(fault?.code, "name_lookup_failed");
  }
});

test("each address of a name is tried, and one that answers is enough", async (t) => {
  const port = await new ProbeStage(t).http();
  const { report, fault } = await look({ lookup: async () => ["127.0.0.2", "127.0.0.1"] }, port);
  assert.deepEqual(
    report.connect?.attempts.map(({ address, failure }) => [address, failure]),
    [
      ["127.0.0.2", "ECONNREFUSED"],
      ["127.0.0.1", undefined],
    ],
  );
  assert.equal(fault, undefined);
});

test("of a broker, the name is looked up as the client does: in ASCII", async () => {
  const asked: string[] = [];
  const lookup = async (host: string): Promise<readonly string[]> => {
    asked.push(host);
    return [];
  };
  const target = { url: "mqtt://bücher.example", tls: { verify: true }, speaks: "mqtt", timeoutMs } as const;
  await probe(target, undefined, { lookup, dnsServers: ["127.0.0.1:1"] });
  assert.deepEqual(asked, ["xn--bcher-kva.example"]);
});

test("each of six addresses is tried, as a client does", async (t) => {
  const port = await new ProbeStage(t).http();
  const six = ["127.0.7.1", "127.0.7.2", "127.0.7.3", "127.0.7.4", "127.0.7.5", "127.0.0.1"];
  const { fault } = await look({ lookup: async () => six }, port);
  assert.equal(fault, undefined);
});

test("of a name with hundreds of addresses, sixteen are tried, and all are told", async () => {
  const many = Array.from({ length: 200 }, (_, index) => `127.0.1.${index + 1}`);
  const { report, fault } = await look({ lookup: async () => many }, 1);
  assert.equal(report.connect?.attempts.length, 16);
  assert.equal(report.resolve.addresses.length, 200);
  assert.equal(fault?.code, "connection_refused");
});
