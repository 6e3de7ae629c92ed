/** Servers of a connection stage that no program of others would be: each is wrong in one way. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createHttp2 } from "node:http2";
import { connect } from "node:net";
import type { Socket } from "node:net";
import type { TestContext } from "node:test";
import { tableFromArrays } from "apache-arrow";
import { messagesOf } from "./arrow-messages.ts";
import { packetDropper } from "./black-hole.ts";
import type { StageFiles } from "./connection-stage-files.ts";
import { ProbeStage, answering } from "./probe-stage.ts";
import { startFlightServer, type FlightServer, type Reply } from "./flight-server.ts";
import { listening } from "./tcp-server.ts";

export type Other =
  | "nobody"
  | "dropsPackets"
  | "silent"
  | "hangsUp"
  | "resets"
  | "resetsHello"
  | "endsHello"
  | "breaksOff"
  | "ssh"
  | "portal"
  | "wantsLogin"
  | "html"
  | "status408"
  | "secure"
  | "mutual12"
  | "mutual13"
  | "withoutAlpn"
  | "leavesAfterConnack"
  | "oldTls"
  | "flightCut"
  | "flightHangs"
  | "flightLost"
  | "clockAhead"
  | "clockBehind";

export async function otherServers(t: TestContext, files: StageFiles): Promise<Record<Other, number>> {
  const stage = new ProbeStage(t);
  const { good, expired, notYetValid } = files.made;
  const asking = { ...good, ca: readFileSync(files.made.root), requestCert: true, rejectUnauthorized: true };
  const onHello = (leave: (socket: Socket) => void) => (socket: Socket) =>
    void socket.once("data", (bytes) => {
      if (bytes[0] === 0x16) leave(socket);
    });
  const page = "<html><head><title>Router login</title></head></html>";
  const html = { "content-type": "text/html" };
  const silent = await stage.tcp((socket) => void socket.resume());
  return {
    nobody: await portOfClient(t, silent),
    dropsPackets: await packetDropper(t),
    silent,
    hangsUp: await stage.tcp((socket) => void socket.resume().end()),
    resets: await stage.tcp((socket) => void socket.once("data", () => socket.resetAndDestroy())),
    resetsHello: await stage.tcp(onHello((socket) => socket.resetAndDestroy())),
    endsHello: await stage.tcp(onHello((socket) => socket.end())),
    breaksOff: await stage.http((request) => {
      if (request.method === "POST") request.socket.resetAndDestroy();
    }),
    ssh: await stage.tcp((socket) => void socket.write("SSH-2.0-OpenSSH_9.2\r\n")),
    portal: await stage.http(answering(302, { location: "http://login.hotel.example/" })),
    wantsLogin: await stage.http(answering(511, html, page)),
    html: await stage.http(answering(200, html, page)),
    status408: await h2cStatus(t, 408),
    secure: await stage.h2(good),
    mutual12: await stage.h2({ ...asking, maxVersion: "TLSv1.2" }),
    mutual13: await stage.h2({ ...asking, minVersion: "TLSv1.3" }),
    oldTls: await stage.tls(
      { ...good, minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL:@SECLEVEL=0" },
      (socket) => void socket.resume(),
    ),
    flightCut: await flightPeer(t, (reply) => reply.cutOff()),
    flightHangs: await flightPeer(t),
    flightLost: await flightPeer(t, (_reply, server) => server.dropConnections()),
    leavesAfterConnack: await stage.tcp((socket) => {
      socket.once("data", () => {
        socket.write(Buffer.from([0x20, 3, 0, 0, 0]));
        socket.once("data", () => socket.resetAndDestroy());
      });
    }),
    withoutAlpn: await stage.tls(good, (socket) => void socket.resume()),
    clockAhead: await stage.h2(expired, answering(200, { date: "Sun, 01 Mar 2020 12:00:00 GMT" })),
    clockBehind: await stage.h2(notYetValid, answering(200, { date: "Wed, 01 Mar 2090 12:00:00 GMT" })),
  };
}

/** Sends some rows and ends in its own way; without one it never answers. */
async function flightPeer(
  t: TestContext,
  end?: (reply: Reply, server: FlightServer) => void,
): Promise<number> {
  const messages = messagesOf(tableFromArrays({ n: [1, 2, 3] }));
  const server = await startFlightServer({
    doGet: async (_ticket, reply) => {
      if (end === undefined) {
        await once(reply.signal, "abort");
        return;
      }
      for (const message of messages) await reply.send(message);
      end(reply, server);
    },
  });
  t.after(() => server.stop());
  return server.port;
}

/** A client's end of a connection: nobody listens there, and nobody else can take it meanwhile. */
async function portOfClient(t: TestContext, server: number): Promise<number> {
  const socket = connect(server, "127.0.0.1").on("error", () => {});
  t.after(() => socket.destroy());
  await once(socket, "connect");
  return socket.localPort ?? 0;
}

async function h2cStatus(t: TestContext, status: number): Promise<number> {
  const server = createHttp2((_request, response) => void response.writeHead(status).end());
  return (await listening(t, server)).port;
}
