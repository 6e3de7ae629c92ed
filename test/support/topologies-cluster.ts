/**
 * A cluster on loopback: a stand-in that refuses what InfluxDB Clustered refuses, what stands in front of it, and a
 * DNS server that knows no names (`/etc/hosts` has them). In namespaces of their own only.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { copyFileSync, mkdirSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { Secret } from "../../src/lib/secret.ts";
import { startInfluxStandIn, type InfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import {
  copyPair,
  gatewayName,
  makeCertificates,
  readPair,
  type ClusterCertificates,
} from "./topologies-certificates.ts";
import type { Namespace } from "./topologies-namespace.ts";
import { startNginx, type MeshFiles, type Nginx } from "./topologies-nginx.ts";

/** Beside those of nginx (topologies-nginx.ts). */
export const otherDoors = {
  /** Wants a client certificate as Envoy does, in the TLS handshake, and knows one server name. */
  envoy: "127.0.6.1",
  /** What a sidecar with mutual TLS and nothing else does with plaintext: a reset. */
  strictSidecar: "127.0.6.2",
  /** `kubectl port-forward` to a port on which nothing listens in the pod. */
  portForward: "127.0.0.1",
} as const;

export const token = "apiv3_topologies-0123456789abcdef";

export interface Cluster {
  readonly standIn: InfluxStandIn;
  readonly nginx: Nginx;
  readonly certificates: ClusterCertificates;
  /** What the gateway shows and trusts. */
  readonly mesh: MeshFiles;
  readonly certificatesFolder: string;
  stop(): Promise<void>;
}

/** What is left of one that does not start dies with the namespace. */
export async function startCluster({ folder }: Namespace): Promise<Cluster> {
  const certificatesFolder = join(folder, "certificates");
  mkdirSync(certificatesFolder);
  const certificates = makeCertificates(certificatesFolder);
  const at = (name: string): string => join(folder, name);
  const mesh = { cert: at("gateway.pem"), key: at("gateway.key"), ca: at("gateway-ca.pem") };
  copyPair(certificates.gateway, mesh);
  copyFileSync(certificates.mesh.file, mesh.ca);
  const standIn = await startInfluxStandIn({ flushIntervalMs: 5, auth: { token: new Secret(token) } });
  standIn.faults.writeApi = "v2only";
  standIn.flightFaults.cloudErrors = true;
  const nginx = await startNginx({ folder, port: standIn.port, certificates, mesh });
  const to = standIn.port;
  const closers = await Promise.all([
    startDns(),
    listen(envoy(certificates, to), otherDoors.envoy, 443),
    listen(strictSidecar(certificates, to), otherDoors.strictSidecar, 8080),
    listen(strictSidecar(certificates, to), otherDoors.strictSidecar, 8082),
    listen(
      createServer((socket) => socket.end()),
      otherDoors.portForward,
      8181,
    ),
  ]);
  return {
    standIn,
    nginx,
    certificates,
    mesh,
    certificatesFolder,
    async stop() {
      for (const close of closers) close();
      await nginx.stop();
      await standIn.stop();
    },
  };
}

type Close = () => void;

/** NXDOMAIN to every question (RFC 1035 §4.1.1). */
async function startDns(): Promise<Close> {
  const socket = createSocket("udp4");
  socket.on("message", (query, from) => {
    const answer = Buffer.from(query);
    answer[2] = 0x81;
    answer[3] = 0x83;
    socket.send(answer, from.port, from.address);
  });
  socket.bind(53, "127.0.0.1");
  await once(socket, "listening");
  return () => socket.close();
}

async function listen(server: Server, address: string, port: number): Promise<Close> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket.on("close", () => sockets.delete(socket)).on("error", () => {}));
  });
  server.listen(port, address);
  await once(server, "listening");
  return () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
}

function pass(from: Socket, port: number): void {
  const to = connect(port, "127.0.0.1");
  for (const [one, other] of [
    [from, to],
    [to, from],
  ] as const) {
    one.on("error", () => other.destroy()).on("close", () => other.destroy());
    one.pipe(other);
  }
}

/** Istio's gateways have a filter chain for each server name, and no answer to any other. */
function envoy({ gateway, mesh }: ClusterCertificates, port: number): Server {
  return createTlsServer(
    {
      ...readPair(gateway),
      ca: readPair({ cert: mesh.file, key: gateway.key }).cert,
      requestCert: true,
      ALPNProtocols: ["h2", "http/1.1"],
      SNICallback: (name, done) => {
        if (name === gatewayName) done(null);
        else done(new Error("no filter chain"));
      },
    },
    (socket) => pass(socket, port),
  ).on("tlsClientError", (_error: Error, socket: Socket) => socket.destroy());
}

function strictSidecar({ sidecar, mesh }: ClusterCertificates, port: number): Server {
  const inner = createTlsServer(
    {
      ...readPair(sidecar),
      ca: readPair({ cert: mesh.file, key: sidecar.key }).cert,
      requestCert: true,
      ALPNProtocols: ["h2", "http/1.1"],
    },
    (socket) => pass(socket, port),
  ).on("tlsClientError", (_error: Error, socket: Socket) => socket.destroy());
  return createServer((socket) => {
    socket.once("data", (first: Buffer) => {
      if (first[0] !== 0x16) {
        socket.resetAndDestroy();
        return;
      }
      socket.pause();
      socket.unshift(first);
      inner.emit("connection", socket);
    });
  });
}
