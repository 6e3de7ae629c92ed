/** Connections that go silent: whom they are left to, and who gets a new one. */
import assert from "node:assert/strict";
import * as net from "node:net";
import { test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { FlightChannel } from "../../src/influx/flight/channel.ts";
import { ask, faultOf, flightChannel, flightServer, readAll } from "../support/flight-channel.ts";
import type { FlightServerOptions, Reply } from "../support/flight-server.ts";
import { listening } from "../support/tcp-server.ts";
import { waitFor } from "../support/wait.ts";

const times = { connectPatienceMs: 150, answerPatienceMs: 150 };

interface Relay {
  readonly url: string;
  readonly accepted: number;
  /** Connections that are open now. */
  readonly open: number;
  /** Nothing comes back any more on the connections so far; those to come are good. */
  freeze(): void;
}

/** Before a Flight server. `deaf`: so many connections, the first ones, are taken and never served. */
async function relayTo(t: TestContext, port: number, deaf = 0): Promise<Relay> {
  const thawed = new Set<() => void>();
  let accepted = 0;
  const server = net.createServer((socket) => {
    accepted += 1;
    if (accepted <= deaf) {
      socket.resume();
      return;
    }
    const behind = net.connect(port, "127.0.0.1").on("error", () => {});
    socket.on("close", () => behind.destroy()).pipe(behind);
    behind.pipe(socket);
    thawed.add(() => behind.unpipe(socket).resume());
  });
  const { port: own, sockets } = await listening(t, server);
  return {
    url: `http://127.0.0.1:${own}`,
    get accepted() {
      return accepted;
    },
    get open() {
      return sockets.size;
    },
    freeze() {
      for (const stop of thawed) stop();
      thawed.clear();
    },
  };
}

interface Stage {
  readonly relay: Relay;
  readonly channel: FlightChannel;
}

async function stage(t: TestContext, doGet: FlightServerOptions["doGet"], more = times): Promise<Stage> {
  const server = await flightServer(t, doGet);
  const relay = await relayTo(t, server.port);
  return { relay, channel: flightChannel(t, relay.url, {}, more) };
}

const answers = async (_ticket: Uint8Array, reply: Reply): Promise<void> =>
  await reply.send({ header: Buffer.from("schema") });

/** One message, and then nothing. */
async function stops(_ticket: Uint8Array, reply: Reply): Promise<void> {
  await reply.send({ header: Buffer.from("schema") });
  await new Promise((resolve) => reply.signal.addEventListener("abort", resolve));
}

test("a connection attempt in a black hole is given up, also when each call is cancelled before its deadline", async (t) => {
  const server = await flightServer(t, answers);
  const relay = await relayTo(t, server.port, 1);
  const connectPatienceMs = 600;
  const channel = flightChannel(t, relay.url, {}, { ...times, connectPatienceMs });
  const startedMs = performance.now();
  await waitFor(
    async () => {
      const call = ask(channel);
      const late = setTimeout(() => call.cancel(), 250);
      const read = await readAll(call).catch(() => undefined);
      clearTimeout(late);
      return read;
    },
    { what: "a call that is answered", timeoutMs: 10_000, everyMs: 0 },
  );
  assert.ok(performance.now() - startedMs >= connectPatienceMs, "the attempt has the time that it is given");
  assert.equal(relay.accepted, 2);
});

test("a connection that is half-open is left to who waits on it, and the next call gets a new one", async (t) => {
  const { relay, channel } = await stage(t, answers);
  await readAll(ask(channel));
  relay.freeze();
  const waiting = faultOf(ask(channel, "x", { timeoutMs: 800 }));
  await delay(170);
  assert.equal((await readAll(ask(channel))).length, 1);
  assert.equal(relay.accepted, 2);
  assert.equal(relay.open, 2);
  const fault = await waiting;
  assert.equal(fault.code, "flight_timeout");
  assert.match(fault.message, /took the query and had no answer/);
  await waitFor(() => relay.open === 1, { what: "the connection to be closed with its last call" });
});

test("a half-open connection is found by calls that are all left early, before the answer or in its middle", async (t) => {
  for (const doGet of [answers, stops]) {
    const { relay, channel } = await stage(t, doGet);
    const first = ask(channel);
    await first.next();
    relay.freeze();
    const pull = first.next();
    for (let count = 0; count < 3; count += 1) {
      const call = ask(channel);
      await delay(60);
      call.cancel();
    }
    first.cancel();
    await pull.catch(() => undefined);
    assert.equal((await ask(channel).next())?.bytes, 6);
    assert.equal(relay.accepted, 2);
    channel.close();
  }
});

test("a call that finds its answer on a connection that was left ends well, and the connection with it", async (t) => {
  const gate = Promise.withResolvers<void>();
  const { relay, channel } = await stage(t, async (ticket, reply) => {
    if (Buffer.from(ticket).toString() === "plans") await gate.promise;
    await answers(ticket, reply);
  });
  const planning = readAll(ask(channel, "plans"));
  await delay(170);
  await readAll(ask(channel));
  assert.equal(relay.open, 2);
  gate.resolve();
  assert.equal((await planning).length, 1);
  await waitFor(() => relay.open === 1, { what: "the connection to be closed" });
  assert.equal((await readAll(ask(channel))).length, 1);
  assert.equal(relay.accepted, 2);
});

test("a connection is kept when it was heard of, when nobody waits on it, and when a reader is slow", async (t) => {
  const { relay, channel } = await stage(
    t,
    async (ticket, reply) => {
      if (Buffer.from(ticket).toString() === "silent") await new Promise(() => {});
      await stops(ticket, reply);
    },
    { connectPatienceMs: 60_000, answerPatienceMs: 300 },
  );
  const slow = ask(channel);
  await slow.next();
  await delay(320);
  const next = ask(channel);
  assert.equal((await next.next())?.bytes, 6);
  next.cancel();
  await delay(320);
  await faultOf(ask(channel, "silent", { timeoutMs: 20 }));
  slow.cancel();
  await delay(320);
  assert.equal((await ask(channel).next())?.bytes, 6);
  assert.equal(relay.accepted, 1);
});

test("a neighbour that is answered speaks for the connection of a call that waits", async (t) => {
  const { relay, channel } = await stage(
    t,
    async (ticket, reply) => {
      if (Buffer.from(ticket).toString() === "plans") await new Promise(() => {});
      await answers(ticket, reply);
    },
    { connectPatienceMs: 60_000, answerPatienceMs: 500 },
  );
  ask(channel, "plans");
  for (let count = 0; count < 3; count += 1) {
    await delay(250);
    await readAll(ask(channel));
  }
  assert.equal(relay.accepted, 1);
  relay.freeze();
  await delay(520);
  await readAll(ask(channel));
  assert.equal(relay.accepted, 2);
});
