import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { TcpProxy } from "../../support/tcp-proxy.ts";
import { waitFor } from "../../support/wait.ts";

/** A server that echoes, behind a proxy, and one client with what it got back. */
async function echoThrough(t: TestContext): Promise<{
  proxy: TcpProxy;
  client: Socket;
  received: () => string;
  serverSockets: Set<Socket>;
}> {
  const serverSockets = new Set<Socket>();
  const server = createServer((socket) => {
    serverSockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => serverSockets.delete(socket));
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy = await TcpProxy.start((server.address() as AddressInfo).port);
  const client = connect(proxy.port, "127.0.0.1");
  let text = "";
  client.on("data", (chunk) => {
    text += chunk.toString();
  });
  client.on("error", () => undefined);
  t.after(async () => {
    client.destroy();
    await proxy.stop();
    for (const socket of serverSockets) socket.destroy();
    server.close();
  });
  await once(client, "connect");
  return { proxy, client, received: () => text, serverSockets };
}

async function closeOf(socket: Socket): Promise<"by an error" | "in order"> {
  socket.on("error", () => undefined);
  return await new Promise((resolve) => {
    socket.once("close", (hadError) => {
      resolve(hadError ? "by an error" : "in order");
    });
  });
}

test("it passes bytes both ways unchanged and in order, and shows them to observers", async (t) => {
  const { proxy, client, received } = await echoThrough(t);
  const seen = { toServer: "", toClient: "" };
  proxy.observe((direction, chunk, connection) => {
    assert.equal(connection, 1);
    seen[direction] += chunk.toString();
  });
  const sent = Array.from({ length: 50_000 }, (_, index) => `${index},`).join("");
  client.write(sent);
  await waitFor(() => received().length === sent.length, { what: "the echo" });
  assert.equal(received(), sent);
  assert.equal(seen.toServer, sent);
  assert.equal(seen.toClient, sent);
  const ended = once(client, "end");
  client.end();
  await ended;
  await waitFor(() => proxy.open === 0, { what: "the connection to be over" });
});

test("a paused direction passes nothing, not even the end, until it is resumed", async (t) => {
  const { proxy, client, received, serverSockets } = await echoThrough(t);
  client.write("a");
  await waitFor(() => received() === "a", { what: "the echo" });
  proxy.pause("toClient");
  client.write("b");
  let ended = false;
  client.once("end", () => {
    ended = true;
  });
  await waitFor(() => [...serverSockets].every((socket) => socket.bytesWritten === 2), {
    what: "the answer",
  });
  for (const socket of serverSockets) socket.end();
  await delay(50);
  assert.equal(received(), "a");
  assert.equal(ended, false);
  proxy.resume("toClient");
  await waitFor(() => received() === "ab" && ended, { what: "what was held, and the end" });
});

test("a delay is latency: two chunks take one delay, not two", async (t) => {
  const { proxy, client, received } = await echoThrough(t);
  proxy.delay("toServer", 200);
  const startMs = performance.now();
  client.write("a");
  await delay(100);
  client.write("b");
  await waitFor(() => received() === "a", { what: "the first byte" });
  assert.ok(performance.now() - startMs >= 199);
  await waitFor(() => received() === "ab", { what: "the second byte" });
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs >= 299 && tookMs < 395, `${tookMs} ms`);
});

test("dripping passes so many bytes at a time", async (t) => {
  const { proxy, client, received } = await echoThrough(t);
  const sizes: number[] = [];
  proxy.observe((direction, chunk) => {
    if (direction === "toServer") sizes.push(chunk.length);
  });
  proxy.drip("toServer", { bytes: 2, everyMs: 5 });
  client.write("abcdefg");
  await waitFor(() => received() === "abcdefg", { what: "all of it" });
  assert.deepEqual(sizes, [2, 2, 2, 1]);
});

test("a dropped connection is seen on both sides, by reset or by end", async (t) => {
  const { proxy, client, serverSockets } = await echoThrough(t);
  await waitFor(() => serverSockets.size === 1, { what: "the server's side" });
  const closed = closeOf(client);
  proxy.dropConnections("reset");
  assert.equal(await closed, "by an error");
  await waitFor(() => serverSockets.size === 0 && proxy.open === 0, { what: "both sides to close" });
  const next = connect(proxy.port, "127.0.0.1");
  await once(next, "connect");
  await waitFor(() => proxy.open === 1, { what: "the second connection" });
  const ended = once(next, "end");
  proxy.dropConnections("end");
  next.resume();
  await ended;
  assert.equal(proxy.accepted, 2);
});

test("while it refuses, new connections are reset and the open one lives", async (t) => {
  const { proxy, client, received } = await echoThrough(t);
  proxy.refuse(true);
  const refused = connect(proxy.port, "127.0.0.1");
  assert.equal(await closeOf(refused), "by an error");
  client.write("still here");
  await waitFor(() => received() === "still here", { what: "the echo" });
  assert.equal(proxy.accepted, 1);
});
