/** A peer that has answered is not said to be what a probe found before. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { Fault } from "../../src/lib/fault.ts";
import { makeCertificates } from "../support/certificates.ts";
import { ask, faultOf, flightChannel, flightServer, readAll } from "../support/flight-channel.ts";
import type { Reply } from "../support/flight-server.ts";
import { requireMosquitto } from "../support/mosquitto.ts";
import { mqttConfig, runSource } from "../support/mqtt-source.ts";
import { tlsShell } from "../support/tls-shell.ts";
import { waitFor } from "../support/wait.ts";

const files = makeCertificates();
after(() => files.remove());
const pair = { cert: readFileSync(files.serverCert), key: readFileSync(files.serverKey) };

test("a broker that is found again is not said to be what it was", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  const front = await tlsShell(t, broker.port, pair);
  const run = runSource(t, {
    config: mqttConfig({ url: `mqtt://127.0.0.1:${front.port}` }),
    random: () => 0.02,
  });
  const fault = await run.faulted("server_is_tls");
  assert.match(fault.hint ?? "", /use mqtts:\/\/ in mqtt\.url/);
  assert.equal(run.source.status.lastFault, fault);
  front.isSecure = false;
  await run.subscribed();
  const { status } = run.source;
  assert.equal(status.lastFault, undefined);
  front.isSecure = true;
  front.drop();
  const isLater = (): boolean =>
    status.lastFault !== undefined && status.lastFault.code !== "broker_connection_lost";
  await waitFor(isLater, { what: "a connection that fails again" });
  assert.ok(fault.cause instanceof Fault);
  const later = run.source.status.lastFault;
  assert.deepEqual([later?.message, later?.cause], [fault.cause.message, undefined]);
});

test("an InfluxDB that answers a query, or refuses it, ends the outage", async (t) => {
  const answers: ((reply: Reply) => Promise<void> | void)[] = [
    async (reply) => await reply.send({ header: Buffer.from("schema") }),
    (reply) => reply.fail(16, "Unauthenticated"),
  ];
  for (const answer of answers) {
    const server = await flightServer(t, async (_, reply) => await answer(reply));
    const front = await tlsShell(t, server.port, pair);
    const channel = flightChannel(t, `http://127.0.0.1:${front.port}`);
    const first = await faultOf(ask(channel));
    const isSaid = async (): Promise<boolean> => (await faultOf(ask(channel))).code === "server_is_tls";
    await waitFor(isSaid, { what: "the finding", everyMs: 50 });
    front.isSecure = false;
    const isAnswered = async (): Promise<boolean> => {
      await readAll(ask(channel)).catch(() => undefined);
      return server.doGets > 0;
    };
    await waitFor(isAnswered, { what: "an answer", everyMs: 50 });
    front.isSecure = true;
    front.drop();
    await waitFor(() => server.connections === 0, { what: "the end of the connection" });
    const later = await faultOf(ask(channel));
    assert.deepEqual([later.message, later.cause], [first.message, undefined]);
  }
});
