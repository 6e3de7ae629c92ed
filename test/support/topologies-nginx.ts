/**
 * What stands in front of InfluxDB in a cluster, as servers of one nginx: each at an address of its own, so that a
 * name of `/etc/hosts` leads to the one or the other. In namespaces of their own only (topologies-namespace.ts).
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import type { ClusterCertificates, Pair } from "./topologies-certificates.ts";
import { waitFor } from "./wait.ts";

/** In the path of the namespace. */
const program = "nginx";

/** By what is there. */
export const doors = {
  balancer: "127.0.2.1",
  /** TLS without HTTP/2. */
  http1Balancer: "127.0.2.2",
  /** HTTP/2 in front, HTTP/1.1 behind: an ingress without its gRPC annotation. */
  plainIngress: "127.0.2.3",
  /** An Application Load Balancer whose target group is HTTP/1.1. */
  awsBalancer: "127.0.2.4",
  emptyBalancer: "127.0.2.5",
  loginPage: "127.0.2.6",
  impatientBalancer: "127.0.2.7",
  oneNameBalancer: "127.0.2.8",
  /** Plaintext: HTTP/1.1 on 8080, HTTP/2 for gRPC on 8082. */
  services: "127.0.3.1",
  /** The same for a pod that has a sidecar: behind it is mutual TLS. */
  meshedServices: "127.0.4.1",
  gateway: "127.0.5.1",
} as const;

/** Where the sidecar of InfluxDB's own pod listens. */
const serverSidecar = "127.0.4.2:15006";

/** What is read again when nginx reloads. */
export interface MeshFiles extends Pair {
  readonly ca: string;
}

export interface NginxOptions {
  readonly folder: string;
  /** Of InfluxDB, plaintext: both protocols. */
  readonly port: number;
  readonly certificates: ClusterCertificates;
  readonly mesh: MeshFiles;
}

export interface Nginx {
  /** Serial numbers of the client certificates of all requests at the gateway, in their order. */
  clientSerials(): string[];
  /** As an operator does it: new connections see the files as they are now, calls under way go on. */
  reload(): Promise<void>;
  stop(): Promise<void>;
}

export async function startNginx(options: NginxOptions): Promise<Nginx> {
  const { folder } = options;
  const file = join(folder, "nginx.conf");
  writeFileSync(file, configuration(options));
  const nginx = spawn(program, ["-c", file, "-e", "stderr"], { stdio: ["ignore", "ignore", "pipe"] });
  const closed = once(nginx, "close");
  let said = "";
  nginx.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  await waitFor(async () => nginx.exitCode !== null || (await answers(doors.gateway)), { what: "nginx" });
  if (nginx.exitCode !== null) throw new Error(`nginx did not start: ${said}`);
  return {
    clientSerials: () =>
      readFileSync(join(folder, "clients.log"), "utf8")
        .split("\n")
        .filter((line) => line !== ""),
    async reload() {
      const workers = (): number => said.match(/start worker process /g)?.length ?? 0;
      const before = workers();
      nginx.kill("SIGHUP");
      await waitFor(() => workers() > before && said.includes("gracefully shutting down"), {
        what: "new workers",
      });
    },
    async stop() {
      nginx.kill("SIGTERM");
      await closed;
    },
  };
}

async function answers(address: string): Promise<boolean> {
  const socket = connect(443, address);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

function configuration({ folder, port, certificates, mesh }: NginxOptions): string {
  const { balancer, oneName } = certificates;
  const http = `proxy_pass http://127.0.0.1:${port};`;
  const grpc = `grpc_pass grpc://127.0.0.1:${port};`;
  const both = [`location /arrow.flight.protocol.FlightService/ { ${grpc} }`, `location / { ${http} }`];
  const secured = (address: string, pair: Pair, lines: readonly string[], listen = "443 ssl http2"): string =>
    server(`${address}:${listen}`, [...shows(pair), ...lines]);
  const asksFor = (client: MeshFiles): string[] => [
    `ssl_client_certificate ${client.ca};`,
    "ssl_verify_client on;",
  ];
  const toSidecar = (kind: "grpc" | "proxy"): string[] => [
    `${kind}_pass ${kind === "grpc" ? "grpcs" : "https"}://${serverSidecar};`,
    `${kind}_ssl_certificate ${certificates.client.cert};`,
    `${kind}_ssl_certificate_key ${certificates.client.key};`,
  ];
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const all = [
    secured(doors.balancer, balancer, both),
    secured(doors.http1Balancer, balancer, both, "443 ssl"),
    secured(doors.plainIngress, balancer, [`location / { ${http} }`]),
    secured(doors.awsBalancer, balancer, [
      "location /arrow.flight.protocol.FlightService/ { return 464; }",
      `location / { ${http} }`,
    ]),
    // Nobody listens on port 9.
    secured(doors.emptyBalancer, balancer, [
      "location /arrow.flight.protocol.FlightService/ { grpc_pass grpc://127.0.0.1:9; }",
      "location / { proxy_pass http://127.0.0.1:9; }",
    ]),
    secured(doors.loginPage, balancer, [
      "default_type text/html;",
      `location / { return 200 "<html><head><title>Sign in</title></head></html>"; }`,
    ]),
    secured(doors.impatientBalancer, balancer, ["grpc_read_timeout 300ms;", ...both]),
    secured(doors.oneNameBalancer, oneName, both),
    server(`${doors.services}:8080`, [`location / { ${http} }`]),
    server(`${doors.services}:8082 http2`, [`location / { ${grpc} }`]),
    server(`${doors.meshedServices}:8080`, ["location / {", ...toSidecar("proxy"), "}"]),
    server(`${doors.meshedServices}:8082 http2`, ["location / {", ...toSidecar("grpc"), "}"]),
    server(`${serverSidecar} ssl http2`, [...shows(certificates.sidecar), ...asksFor(mesh), ...both]),
    secured(doors.gateway, mesh, [...asksFor(mesh), `access_log ${folder}/clients.log client;`, ...both]),
  ];
  return `daemon off;
user root;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr notice;
events { worker_connections 256; }
http {
access_log off;
log_format client $ssl_client_serial;
${temporary.map((name) => `${name}_temp_path ${folder}/nginx-${name};`).join("\n")}
${all.join("\n")}
}
`;
}

function shows({ cert, key }: Pair): string[] {
  return [`ssl_certificate ${cert};`, `ssl_certificate_key ${key};`];
}

function server(listen: string, lines: readonly string[]): string {
  return ["server {", `listen ${listen};`, ...lines, "}"].join("\n");
}
