/** How a Flight channel finds its server, and what it says when it does not. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import * as http from "node:http";
import * as net from "node:net";
import { join } from "node:path";
import { after, test, type TestContext } from "node:test";
import * as tls from "node:tls";
import type { TlsConfig } from "../../src/net/config.ts";
import { Outages } from "../../src/net/probe-outage.ts";
import { makeCertificates } from "../support/certificates.ts";
import { ask, faultOf, flightChannel, flightServer, readAll } from "../support/flight-channel.ts";
import { startFlightServer, type Reply } from "../support/flight-server.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { listening } from "../support/tcp-server.ts";
import { freePort, waitFor } from "../support/wait.ts";

const files = makeCertificates();
after(() => files.remove());
const pair = { cert: readFileSync(files.serverCert), key: readFileSync(files.serverKey) };
const trusted: TlsConfig = { verify: true, caFile: files.ca };
const impatient = { connectPatienceMs: 100, answerPatienceMs: 10_000 };
/** Where connections are counted, those of a probe would be too. */
const unprobed = new Outages(undefined);

const oneMessage = async (_ticket: Uint8Array, reply: Reply): Promise<void> =>
  await reply.send({ header: Buffer.from("schema") });

async function assertAnswers(t: TestContext, url: string, tls?: TlsConfig): Promise<void> {
  const messages = await readAll(ask(flightChannel(t, url, tls && { tls })));
  assert.equal(messages.length, 1, url);
}

function expiredCertificate(): Buffer {
  const issuer = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "-1"];
  const out = ["-extfile", "server.ext", "-out", "expired.pem"];
  const options = { cwd: files.dir, stdio: "pipe" } as const;
  execFileSync("openssl", ["x509", "-req", "-in", "server.csr", ...issuer, ...out], options);
  return readFileSync(join(files.dir, "expired.pem"));
}

test("TLS: the right CA answers, by address and by name, with a client certificate, or unverified", async (t) => {
  const server = await flightServer(t, oneMessage, { tls: pair });
  const byName = server.url.replace("127.0.0.1", "localhost");
  const warnings: string[] = [];
  const keep = (warning: Error): void => void warnings.push(warning.message);
  process.on("warning", keep);
  t.after(() => process.off("warning", keep));
  await assertAnswers(t, server.url, trusted);
  await assertAnswers(t, byName, trusted);
  await assertAnswers(t, server.url, { ...trusted, serverName: "localhost" });
  await assertAnswers(t, server.url, { verify: false });
  assert.equal(server.metadata[2]?.[":authority"], `localhost:${server.port}`);
  const mutual = await flightServer(t, oneMessage, {
    tls: { ...pair, ca: readFileSync(files.ca), requestCert: true, rejectUnauthorized: true },
  });
  await assertAnswers(t, mutual.url, { ...trusted, certFile: files.clientCert, keyFile: files.clientKey });
  await new Promise(setImmediate);
  assert.deepEqual(warnings, [], "no address is sent as a server name");
});

test("each way not to reach a server has the cause that it has over HTTP", async (t) => {
  const secure = await flightServer(t, oneMessage, { tls: pair });
  const plain = await flightServer(t, oneMessage);
  const selfSigned = await flightServer(t, oneMessage, {
    tls: { cert: readFileSync(files.otherCert), key: readFileSync(files.otherKey) },
  });
  const expired = await flightServer(t, oneMessage, { tls: { cert: expiredCertificate(), key: pair.key } });
  const mutual = await flightServer(t, oneMessage, {
    tls: { ...pair, ca: readFileSync(files.ca), requestCert: true, rejectUnauthorized: true },
  });
  const answeringAlert = net.createServer((socket) => {
    socket.once("data", () => socket.end(Buffer.from("15030300020246", "hex")));
  });
  const answeringHttp = http.createServer((_request, response) => void response.writeHead(503).end());
  const closing = net.createServer((socket) => void socket.once("data", () => socket.end()));
  const at = async (server: net.Server): Promise<string> => `127.0.0.1:${(await listening(t, server)).port}`;
  const withoutAlpn = await at(tls.createServer(pair));
  const onlyHttp1 = await at(tls.createServer({ ...pair, ALPNProtocols: ["http/1.1"] }));
  const rows: readonly (readonly [string, TlsConfig, string])[] = [
    [`http://127.0.0.1:${await freePort()}`, trusted, "connection_refused"],
    [`http://localhost:${await freePort()}`, trusted, "connection_refused"],
    ["http://no-such-host.invalid:8181", trusted, "name_not_found"],
    [secure.url, { verify: true }, "tls_unknown_ca"],
    [secure.url, { verify: true, caFile: files.otherCert }, "tls_unknown_ca"],
    [selfSigned.url, { verify: true }, "tls_self_signed"],
    [secure.url, { ...trusted, serverName: "influx.example" }, "tls_wrong_name"],
    [expired.url, trusted, "tls_certificate_expired"],
    [mutual.url, trusted, "tls_client_certificate_needed"],
    [secure.url, { verify: true, caFile: join(files.dir, "missing.pem") }, "tls_file_unreadable"],
    [plain.url.replace("http:", "https:"), trusted, "tls_server_is_plaintext"],
    [`http://${await at(answeringAlert)}`, trusted, "server_is_tls"],
    [secure.url.replace("https:", "http:"), trusted, "connection_closed"],
    [`http://${await at(closing)}`, trusted, "connection_closed"],
    [`http://${await at(answeringHttp)}`, trusted, "server_not_http2"],
    [`https://${onlyHttp1}`, trusted, "server_not_http2"],
    [`https://${withoutAlpn}`, trusted, "server_not_http2"],
  ];
  for (const [url, tlsConfig, code] of rows) {
    const fault = await faultOf(ask(flightChannel(t, url, { tls: tlsConfig })));
    assert.equal(fault.code, code, `${url}: ${fault.message}`);
    assert.equal(fault.disposition, "retry");
    if (code === "tls_wrong_name") assert.match(fault.message, /DNS:localhost, IP Address:127\.0\.0\.1$/);
  }
});

test("TLS files are read again for each connection", async (t) => {
  const server = await flightServer(t, oneMessage, { tls: pair });
  const caFile = join(files.dir, "rotating.pem");
  writeFileSync(caFile, readFileSync(files.ca));
  const channel = flightChannel(t, server.url, { tls: { verify: true, caFile } });
  await readAll(ask(channel));
  writeFileSync(caFile, "half a fi");
  await readAll(ask(channel));
  server.dropConnections();
  await waitFor(async () => (await faultOf(ask(channel)).catch(() => undefined))?.code === "tls_bad_pem", {
    what: "the broken file to be read",
  });
  writeFileSync(caFile, readFileSync(files.ca));
  await waitFor(async () => await readAll(ask(channel)).catch(() => undefined), { what: "the whole file" });
});

test("an IPv6 address is an address", async (t) => {
  const { port } = await flightServer(t, oneMessage);
  const server = net.createServer((socket) => {
    socket.pipe(net.connect(port, "127.0.0.1").on("error", () => {})).pipe(socket);
  });
  server.listen(0, "::1");
  await new Promise((resolve, reject) => server.once("listening", resolve).once("error", reject));
  t.after(() => server.close());
  const channel = flightChannel(t, `http://[::1]:${(server.address() as net.AddressInfo).port}`);
  assert.equal((await readAll(ask(channel))).length, 1);
  channel.close();
});

test("the proxy variables of the environment are not used", async (t) => {
  const server = await flightServer(t, oneMessage);
  const proxy = `http://127.0.0.1:${await freePort()}`;
  const names = ["grpc_proxy", "http_proxy", "https_proxy"];
  for (const name of ["no_proxy", "no_grpc_proxy", "NO_PROXY"]) delete process.env[name];
  for (const name of names) process.env[name] = proxy;
  t.after(() => {
    for (const name of names) delete process.env[name];
  });
  await assertAnswers(t, server.url);
});

test("a server that was away is found again within seconds", async (t) => {
  const port = await freePort();
  const channel = flightChannel(t, `http://127.0.0.1:${port}`);
  for (let count = 0; count < 3; count += 1) {
    assert.equal((await faultOf(ask(channel))).code, "connection_refused");
  }
  await flightServer(t, oneMessage, { port });
  await waitFor(async () => await readAll(ask(channel)).catch(() => undefined), {
    what: "the server to be found",
    timeoutMs: 4000,
    everyMs: 50,
  });
});

test("a black hole is a timeout while connecting, and the attempt that fell into it is given up", async (t) => {
  let isHole = true;
  const { port } = await flightServer(t, oneMessage);
  const hole = net.createServer((socket) => {
    if (isHole) socket.resume();
    else socket.pipe(net.connect(port, "127.0.0.1").on("error", () => {})).pipe(socket);
  });
  const { port: holePort, sockets } = await listening(t, hole);
  for (const scheme of ["http", "https"]) {
    const url = `${scheme}://127.0.0.1:${holePort}`;
    const channel = flightChannel(t, url, { tls: trusted }, impatient, unprobed);
    const fault = await faultOf(ask(channel, "x", { timeoutMs: 150 }));
    assert.equal(fault.code, "flight_timeout");
    assert.match(fault.message, /no connection to InfluxDB at .* came about within 0\.1\d* s/);
    await waitFor(() => sockets.size === 0, { what: "the attempt to be given up" });
    if (scheme === "https") continue;
    isHole = false;
    assert.equal((await readAll(ask(channel))).length, 1);
    isHole = true;
    channel.close();
  }
});

test("a connection attempt outlives the deadline of a call when it is young", async (t) => {
  const { port } = await flightServer(t, oneMessage);
  const proxy = await TcpProxy.start(port);
  t.after(async () => await proxy.stop());
  proxy.pause("toClient");
  const channel = flightChannel(t, `http://127.0.0.1:${proxy.port}`, {}, undefined, unprobed);
  assert.match((await faultOf(ask(channel, "x", { timeoutMs: 100 }))).message, /no connection/);
  proxy.resume("toClient");
  assert.equal((await readAll(ask(channel))).length, 1);
  assert.equal(proxy.accepted, 1);
});

test("a connection that is lost in the middle of a stream, by reset or end, ends its calls", async (t) => {
  const waiting = async (_ticket: Uint8Array, reply: Reply): Promise<void> => {
    await reply.send({ header: Buffer.from("schema") });
    await new Promise((resolve) => reply.signal.addEventListener("abort", resolve));
  };
  const server = await flightServer(t, waiting);
  const proxy = await TcpProxy.start(server.port);
  t.after(async () => await proxy.stop());
  const channel = flightChannel(t, `http://127.0.0.1:${proxy.port}`);
  const ways = {
    reset: () => proxy.dropConnections("reset"),
    end: () => proxy.dropConnections("end"),
  };
  for (const [name, lose] of Object.entries(ways)) {
    const call = ask(channel);
    assert.equal((await call.next())?.bytes, 6);
    lose();
    const fault = await faultOf(call);
    assert.equal(fault.code, "flight_cut_off", name);
    assert.match(fault.message, /the connection to .* was lost/, name);
    assert.equal(fault.disposition, "retry");
  }
});

test("a server that leaves finishes its calls, and the next call finds the one that took its place", async (t) => {
  const gate = Promise.withResolvers<void>();
  const first = await startFlightServer({
    async doGet(_ticket, reply) {
      await reply.send({ header: Buffer.from("schema") });
      await gate.promise;
      await reply.send({ header: Buffer.from("batch") });
    },
  });
  const channel = flightChannel(t, first.url);
  const call = ask(channel);
  await call.next();
  first.goAway();
  gate.resolve();
  assert.equal((await readAll(call)).length, 1);
  await first.stop();
  await flightServer(t, oneMessage, { port: first.port });
  await waitFor(async () => await readAll(ask(channel)).catch(() => undefined), {
    what: "the new server to be found",
  });
});
