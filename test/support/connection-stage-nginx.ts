/**
 * A real nginx on free loopback ports, with a configuration and temporary files of its own; it ends with the test. The
 * distribution's service is not touched.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { freePort, temporaryFolder, waitFor } from "./wait.ts";

/** The lines of a `server` block; `listen` is written in front of them. */
export interface NginxServer {
  /** "ssl http2": what follows the address in `listen`. */
  readonly listen: string;
  readonly lines: readonly string[];
}

const binary = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"].find((path) =>
  existsSync(path),
);

/** The port of each server, by name; undefined when nginx is not installed, which in CI is an error. */
export async function startNginx<Name extends string>(
  t: TestContext,
  servers: Readonly<Record<Name, NginxServer>>,
): Promise<Readonly<Record<Name, number>> | undefined> {
  if (binary === undefined) {
    if (process.env["CI"] === undefined) return undefined;
    throw new Error("nginx is not installed: apt-get install -y --no-install-recommends nginx");
  }
  const folder = await temporaryFolder("nginx");
  t.after(() => folder.remove());
  const names = Object.keys(servers) as Name[];
  // nginx cannot take port 0, and somebody may take a free port before it does: a few tries.
  for (let attempt = 1; ; attempt += 1) {
    const ports = await distinctPorts(names.length);
    const file = join(folder.path, "nginx.conf");
    await writeFile(
      file,
      configuration(
        folder.path,
        names.map((name, index) => block(servers[name], ports[index] ?? 0)),
      ),
    );
    const said = await run(t, binary, file, ports);
    if (said === undefined)
      return Object.fromEntries(names.map((name, index) => [name, ports[index]])) as Record<Name, number>;
    if (attempt === 3 || !said.includes("Address already in use"))
      throw new Error(`nginx did not start:\n${said}`);
  }
}

/** Undefined: it listens. Else it has ended, and this is why. */
async function run(
  t: TestContext,
  program: string,
  file: string,
  ports: readonly number[],
): Promise<string | undefined> {
  const nginx = spawn(program, ["-c", file, "-e", "stderr"], { stdio: ["ignore", "ignore", "pipe"] });
  const closed = once(nginx, "close");
  let said = "";
  nginx.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  await waitFor(async () => nginx.exitCode !== null || (await answers(ports.at(-1) ?? 0)), {
    what: "nginx to listen",
  });
  if (nginx.exitCode !== null) return said;
  t.after(async () => {
    nginx.kill("SIGKILL");
    await closed;
  });
  return undefined;
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  const [event] = await Promise.race([
    once(socket, "connect").then(() => ["connect"]),
    once(socket, "close").then(() => ["close"]),
  ]).catch(() => ["error"]);
  socket.destroy();
  return event === "connect";
}

async function distinctPorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}

function block({ listen, lines }: NginxServer, port: number): string {
  return ["server {", `  listen 127.0.0.1:${port} ${listen};`, ...lines.map((line) => `  ${line}`), "}"].join(
    "\n",
  );
}

function configuration(folder: string, blocks: readonly string[]): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return [
    // One process, which is ours to end.
    "daemon off;",
    "master_process off;",
    `pid ${folder}/nginx.pid;`,
    "error_log stderr warn;",
    "events { worker_connections 1024; }",
    "http {",
    "access_log off;",
    "default_type text/plain;",
    ...temporary.map((name) => `${name}_temp_path ${folder}/${name};`),
    ...blocks,
    "}",
    "",
  ].join("\n");
}
