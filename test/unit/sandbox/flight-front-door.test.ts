/** One port for two protocols; and gRPC as tonic speaks it, where grpc-js would not show the difference. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Agent, createServer, get } from "node:http";
import { connect as connectHttp2, constants } from "node:http2";
import type { IncomingHttpHeaders } from "node:http2";
import { get as getHttps } from "node:https";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { TLSSocket } from "node:tls";

import { FrontDoor } from "../../../src/sandbox/influxdb/flight/front-door.ts";
import { GrpcServer } from "../../../src/sandbox/influxdb/flight/grpc-server.ts";
import type { GrpcMethod } from "../../../src/sandbox/influxdb/flight/grpc-server.ts";
import { GrpcStatus } from "../../../src/sandbox/influxdb/flight/grpc-status.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { RawFlight, startHandMade } from "./flight-fixture.ts";

interface House {
  readonly port: number;
  readonly connections: () => number;
  stop(): Promise<void>;
}

async function startHouse(
  methods: ReadonlyMap<string, GrpcMethod>,
  tls?: { cert: string; key: string },
): Promise<House> {
  const grpc = new GrpcServer(methods);
  const http1 = createServer((request, response) => {
    const chunks: Uint8Array[] = [];
    request.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    request.on("end", () => response.end(`${request.method} ${Buffer.concat(chunks).toString()}`));
  });
  let connections = 0;
  http1.on("connection", () => {
    connections += 1;
  });
  const door = new FrontDoor({ http1, http2: grpc.http2 }, tls);
  const port = await door.listen(0);
  const stop = async (): Promise<void> => {
    const closed = door.close();
    await grpc.stop();
    door.destroyConnections();
    await closed;
  };
  return { port, connections: () => connections, stop };
}

async function textOf(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("utf8");
  for await (const chunk of socket) text += String(chunk);
  return text;
}

interface Reply {
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
}

/** A call without grpc-js in between. */
async function rawCall(
  port: number,
  headers: Record<string, string>,
  body: Uint8Array = Buffer.alloc(5),
): Promise<Reply> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  const { HTTP2_HEADER_METHOD, HTTP2_HEADER_PATH } = constants;
  const request = session.request({
    [HTTP2_HEADER_METHOD]: "POST",
    [HTTP2_HEADER_PATH]: "/test/Fails",
    "content-type": "application/grpc",
    ...headers,
  });
  const reply = await new Promise<Reply>((resolve, reject) => {
    let trailers: IncomingHttpHeaders = {};
    let received: IncomingHttpHeaders = {};
    request.on("response", (given) => {
      received = given;
    });
    request.on("trailers", (given) => {
      trailers = given;
    });
    request.on("error", reject);
    request.on("close", () => resolve({ headers: received, trailers }));
    request.resume();
    request.end(body);
  });
  session.close();
  return reply;
}

const text = 'a "b" #1 100% <c> `d` {e}? ü\n';
const encodedText = "a%20%22b%22%20%231%20100%25%20%3Cc%3E%20%60d%60%20%7Be%7D%3F%20%C3%BC%0A";
const methods = new Map<string, GrpcMethod>([
  [
    "/test/Fails",
    async (call) => {
      await call.request();
      throw new GrpcStatus(3, text);
    },
  ],
  [
    "/test/FailsLate",
    async (call) => {
      await call.send(await call.request());
      throw new GrpcStatus(3, text);
    },
  ],
  ["/test/FailsAtLength", async () => await Promise.reject(new GrpcStatus(3, `${"x".repeat(1999)}ü`))],
]);

describe("on one port", () => {
  let house: House;
  before(async () => {
    house = await startHouse(methods);
  });
  after(async () => await house.stop());

  test("HTTP/1.1 keeps its connection for the next request", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const connections = house.connections();
    const ask = async (): Promise<number | undefined> =>
      await new Promise((resolve, reject) => {
        const request = get({ port: house.port, host: "127.0.0.1", agent }, (response) => {
          response.resume().once("end", () => resolve(response.statusCode));
        });
        request.once("error", reject);
      });
    for (let n = 0; n < 3; n += 1) assert.equal(await ask(), 200);
    assert.equal(house.connections(), connections + 1);
    agent.destroy();
  });

  test("a body that fills many packets arrives whole", async () => {
    const body = "x".repeat(3 * 2 ** 20);
    const response = await fetch(`http://127.0.0.1:${house.port}`, { method: "POST", body });
    assert.equal(await response.text(), `POST ${body}`);
  });

  for (const split of [1, 2, 3]) {
    test(`HTTP/1.1 whose first ${split} bytes come alone`, async () => {
      const request = "PUT / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
      const socket = connect({ port: house.port, host: "127.0.0.1", noDelay: true });
      socket.write(request.slice(0, split));
      await sleep(10);
      socket.end(request.slice(split));
      assert.match(await textOf(socket), /^HTTP\/1\.1 200 .*PUT ok$/s);
    });
  }

  test("a client that says nothing, or half a word, and leaves, is let go", async () => {
    for (const start of ["", "PR"]) {
      const socket = connect({ port: house.port, host: "127.0.0.1" });
      socket.end(start);
      assert.equal(await textOf(socket), "");
    }
  });

  test("HTTP/2 that is no gRPC is refused", async () => {
    const { headers } = await rawCall(house.port, { "content-type": "application/json" });
    assert.equal(headers[":status"], 415);
  });

  test("stopping takes silent connections with it", async () => {
    const other = await startHouse(methods);
    const socket = connect({ port: other.port, host: "127.0.0.1" });
    const ended = textOf(socket).catch(() => "");
    await new Promise((resolve) => {
      socket.once("connect", resolve);
    });
    await other.stop();
    await ended;
  });

  test("a text is encoded as tonic does it, with and without messages before it", async () => {
    const early = await rawCall(house.port, {});
    assert.deepEqual([early.headers["grpc-status"], early.headers["grpc-message"]], ["3", encodedText]);
    const late = await rawCall(house.port, { ":path": "/test/FailsLate" });
    assert.equal(late.headers["grpc-status"], undefined);
    assert.deepEqual([late.trailers["grpc-status"], late.trailers["grpc-message"]], ["3", encodedText]);
  });

  test("a text is cut at 2000 bytes, between characters", async () => {
    const { headers } = await rawCall(house.port, { ":path": "/test/FailsAtLength" });
    assert.equal(headers["grpc-message"], "x".repeat(1999));
  });

  const refusals: readonly (readonly [string, Record<string, string>, Buffer, string, string])[] = [
    ["an unknown method", { ":path": "/test/None" }, Buffer.alloc(5), "12", ""],
    ["a compressed call", { "grpc-encoding": "gzip" }, Buffer.alloc(5), "12", "is compressed with `gzip`"],
    ["no message", {}, Buffer.alloc(0), "13", "Missing request message."],
    ["a compressed message", {}, Buffer.from([1, 0, 0, 0, 0]), "13", "compressed-flag"],
    ["a message beyond 4 MiB", {}, Buffer.from([0, 0, 0x40, 0, 1]), "11", "found 4194305 bytes"],
  ];
  for (const [name, headers, body, code, message] of refusals) {
    test(`${name} is refused`, async () => {
      const reply = await rawCall(house.port, headers, body);
      assert.equal(reply.headers["grpc-status"], code);
      const details = decodeURIComponent(String(reply.headers["grpc-message"] ?? ""));
      assert.ok(details.includes(message), details);
    });
  }
});

test("over TLS, HTTP and gRPC alike; plain text gets nothing", async (t) => {
  const certificates = makeCertificates();
  const [cert, key] = [certificates.serverCert, certificates.serverKey].map((path) =>
    readFileSync(path, "utf8"),
  );
  const ca = readFileSync(certificates.ca);
  const house = await startHouse(methods, { cert: cert ?? "", key: key ?? "" });
  const flight = new RawFlight(house.port, ca);
  t.after(async () => {
    flight.close();
    await house.stop();
    certificates.remove();
  });
  assert.deepEqual(await flight.call("DoGet", "stream"), [12, ""]);
  const offered = { host: "127.0.0.1", port: house.port, ca, ALPNProtocols: ["h2", "http/1.1"] };
  const [protocol, body] = await new Promise<[unknown, string]>((resolve, reject) => {
    getHttps({ ...offered, servername: "" }, (response) => {
      const { alpnProtocol } = response.socket as TLSSocket;
      const chunks: Uint8Array[] = [];
      response.on("data", (chunk: Uint8Array) => chunks.push(chunk));
      response.once("end", () => resolve([alpnProtocol, Buffer.concat(chunks).toString()]));
    }).once("error", reject);
  });
  assert.equal(protocol, "http/1.1");
  assert.equal(body, "GET ");
  const socket = connect({ port: house.port, host: "127.0.0.1" });
  socket.write("GET / HTTP/1.1\r\n\r\n");
  assert.doesNotMatch(await textOf(socket).catch(() => ""), /HTTP/);
});

describe("the other methods of Flight", () => {
  test("say what Core says", async (t) => {
    const server = await startHandMade();
    const client = new RawFlight(server.port);
    t.after(async () => {
      client.close();
      await server.stop();
    });
    assert.deepEqual(await client.call("GetSchema", "unary"), [12, "Not yet implemented: get_schema"]);
    assert.deepEqual(await client.call("ListFlights", "stream"), [12, "Not yet implemented: list_flights"]);
    assert.deepEqual(await client.call("ListActions", "stream"), [12, "Not yet implemented: list_actions"]);
    assert.deepEqual(await client.call("PollFlightInfo", "unary"), [
      12,
      "Not yet implemented: poll_flight_info",
    ]);
    assert.deepEqual(await client.call("DoExchange", "stream"), [12, "Not yet implemented: do_exchange"]);
    const noDatabase = [3, "no 'database' header in request"];
    assert.deepEqual(await client.call("DoAction", "stream"), noDatabase);
    assert.deepEqual(await client.call("DoPut", "stream"), noDatabase);
    assert.deepEqual(await client.call("GetFlightInfo", "unary"), noDatabase);
    assert.equal((await client.call("Nothing", "unary"))[0], 12);
    const http = await fetch(`http://127.0.0.1:${server.port}`);
    assert.equal(await http.text(), "http");
    assert.equal(server.counters.queries, 0);
  });

  test("Handshake gives back what it got, and the token as Bearer, unchecked", async (t) => {
    const server = await startHandMade();
    const client = new RawFlight(server.port);
    t.after(async () => {
      client.close();
      await server.stop();
    });
    // HandshakeRequest and its response have the same fields: protocol_version 7, payload "hi".
    const message = Buffer.from([0x08, 7, 0x12, 2, 0x68, 0x69]);
    const answer = await client.exchange("Handshake", message, { authorization: "Token abc" });
    assert.equal(answer.status.code, 0);
    assert.deepEqual(answer.replies, [message]);
    assert.deepEqual(answer.headers.get("authorization"), ["Bearer abc"]);
    const nobody = await client.exchange("Handshake", message, {});
    assert.deepEqual(nobody.headers.get("authorization"), []);
  });
});
