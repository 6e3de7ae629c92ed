/** How single messages come: large, compressed, and one at a time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { BugError } from "../../src/lib/fault.ts";
import { ask, flightChannel, flightServer, readAll } from "../support/flight-channel.ts";

const body = Buffer.alloc(200_000, 7);

test("two pulls at once are a bug", async (t) => {
  const server = await flightServer(t, async (_ticket, reply) => await reply.send({ body }));
  const call = ask(flightChannel(t, server.url));
  const first = call.next();
  await assert.rejects(call.next(), BugError);
  assert.equal((await first)?.bytes, body.length);
});

test("a message of more than the usual 4 MiB of gRPC is read: a row is never cut", async (t) => {
  const large = Buffer.alloc(5 * 1024 * 1024, 7);
  const server = await flightServer(t, async (_ticket, reply) => await reply.send({ body: large }));
  const [message] = await readAll(ask(flightChannel(t, server.url)));
  assert.equal(message?.bytes, large.length);
});

test("gzip is understood", async (t) => {
  const server = await flightServer(t, async (_ticket, reply) => {
    reply.respond({ ":status": 200, "content-type": "application/grpc", "grpc-encoding": "gzip" });
    const message = gzipSync(Buffer.concat([Buffer.from([0x12, 3]), Buffer.from("abc")]));
    const frame = Buffer.alloc(5);
    frame.writeUInt32BE(message.length, 1);
    frame[0] = 1;
    await reply.sendBytes(Buffer.concat([frame, message]));
  });
  const [message] = await readAll(ask(flightChannel(t, server.url)));
  assert.equal(Buffer.from(message?.header ?? []).toString(), "abc");
});
