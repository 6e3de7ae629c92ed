/** Connections through a proxy that end: what is said of them, and that none is left open. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as net from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { makeCertificates } from "../support/certificates.ts";
import { connectProxy } from "../support/connect-proxy.ts";
import { ask, faultOf, flightChannel, flightServer, readAll } from "../support/flight-channel.ts";
import { line, never, writer } from "../support/influx-http.ts";
import { listening } from "../support/tcp-server.ts";
import { waitFor } from "../support/wait.ts";

const files = makeCertificates();
after(() => files.remove());

test("a TLS alert in answer to plaintext is one behind the tunnel too", async (t) => {
  const { port } = await listening(
    t,
    net.createServer((socket) => void socket.once("data", () => socket.end("\x15\x03\x03\0\x02\x02\x46"))),
  );
  const { url } = await connectProxy(t);
  const proxy = { url, setting: "influxdb.proxy" };
  const channel = flightChannel(t, `http://127.0.0.1:${port}`, { proxy });
  assert.equal((await faultOf(ask(channel))).code, "server_is_tls");
});

test("a proxy that is gone after a query through it is said to be that", async (t) => {
  const server = await flightServer(t, async (_, reply) => {
    await reply.send({ header: Buffer.from("schema") });
  });
  const behind = Number(new URL((await connectProxy(t)).url).port);
  const front = net.createServer((socket) => {
    const upstream = net.connect(behind, "127.0.0.1").on("error", () => {});
    socket
      .on("close", () => upstream.destroy())
      .pipe(upstream)
      .pipe(socket);
  });
  const { port, sockets } = await listening(t, front);
  const proxy = { url: `http://127.0.0.1:${port}`, setting: "influxdb.proxy" };
  const channel = flightChannel(t, server.url, { proxy });
  assert.equal((await readAll(ask(channel))).length, 1);
  front.close();
  for (const socket of sockets) socket.destroy();
  await waitFor(() => server.connections === 0, { what: "the end of the connection" });
  const { code, message } = await faultOf(ask(channel));
  assert.deepEqual([code, message.includes(proxy.url)], ["proxy_unreachable", true], message);
});

test("a tunnel is not left open when OpenSSL refuses a certificate that reads well", async (t) => {
  const certFile = join(files.dir, "weak.pem");
  const keyFile = join(files.dir, "weak.key");
  const made = ["-x509", "-newkey", "rsa:512", "-nodes", "-subj", "/CN=weak", "-days", "2"];
  execFileSync("openssl", ["req", ...made, "-out", certFile, "-keyout", keyFile], { stdio: "ignore" });
  let accepted = 0;
  const { port, sockets } = await listening(
    t,
    net.createServer((socket) => {
      accepted += 1;
      socket.resume();
    }),
  );
  const { url } = await connectProxy(t);
  const influx = writer(t, `https://127.0.0.1:${port}`, {
    tls: { verify: true, certFile, keyFile },
    proxy: { url, setting: "influxdb.proxy" },
  });
  const { kind } = await influx.write(line, never);
  assert.deepEqual([kind, accepted], ["retry", 1]);
  await waitFor(() => sockets.size === 0, { what: "the end of the tunnel" });
});
