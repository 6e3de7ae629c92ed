/**
 * A real mosquitto on a free loopback port, with a configuration and a data folder of its own. It can be
 * stopped, killed and started again on the same port with the same data. The distribution's service is
 * not touched.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { freePort, temporaryFolder, waitFor } from "./wait.ts";
import type { TemporaryFolder } from "./wait.ts";

export interface MosquittoOptions {
  /** Keep sessions and queues on disk over a clean stop. */
  readonly persistence?: boolean;
  /** Lines of mosquitto.conf, after ours. */
  readonly extraLines?: readonly string[];
  /** A second listener with TLS. With `requireCertificate` clients must show one of the same CA. */
  readonly tls?: {
    readonly caFile: string;
    readonly certFile: string;
    readonly keyFile: string;
    readonly requireCertificate?: boolean;
  };
  /** As made by mosquitto_passwd; without it everybody may connect. */
  readonly passwordFile?: string;
}

export interface Mosquitto {
  readonly port: number;
  readonly url: string;
  /** Undefined without `tls`. */
  readonly tlsUrl: string | undefined;
  /** Undefined while it is down. */
  readonly pid: number | undefined;
  /** Everything that it has logged, over all starts. */
  log(): string;
  /** SIGTERM: sessions and queues are written when persistence is on. */
  stop(): Promise<void>;
  /** SIGKILL: what was not written is gone. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Stops it and removes its folder. */
  dispose(): Promise<void>;
}

const binary = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"].find((path) =>
  existsSync(path),
);

/** Undefined when mosquitto is not installed; in CI that is an error. */
export async function startMosquitto(options: MosquittoOptions = {}): Promise<Mosquitto | undefined> {
  if (binary === undefined) {
    if (process.env["CI"] === undefined) return undefined;
    throw new Error("mosquitto is not installed: apt-get install -y --no-install-recommends mosquitto");
  }
  const broker = new Broker(binary, options, await temporaryFolder("mosquitto"));
  try {
    await broker.setUp();
  } catch (error) {
    await broker.dispose();
    throw error;
  }
  return broker;
}

/** For the top of a test: the broker lives until the test ends; without mosquitto the test is skipped, loudly. */
export async function requireMosquitto(
  t: TestContext,
  options: MosquittoOptions = {},
): Promise<Mosquitto | undefined> {
  const broker = await startMosquitto(options);
  if (broker === undefined) {
    t.skip("mosquitto is not installed: apt-get install -y --no-install-recommends mosquitto");
    return undefined;
  }
  t.after(async () => {
    await broker.dispose();
  });
  return broker;
}

class Broker implements Mosquitto {
  port = 0;
  #tlsPort: number | undefined;
  #process: ChildProcess | undefined;
  #log = "";
  readonly #binary: string;
  readonly #options: MosquittoOptions;
  readonly #folder: TemporaryFolder;

  constructor(binary: string, options: MosquittoOptions, folder: TemporaryFolder) {
    this.#binary = binary;
    this.#options = options;
    this.#folder = folder;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  get tlsUrl(): string | undefined {
    return this.#tlsPort === undefined ? undefined : `mqtts://localhost:${this.#tlsPort}`;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  log(): string {
    return this.#log;
  }

  /** mosquitto cannot take port 0, and somebody may take a free port before it does: a few tries. */
  async setUp(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      this.port = await freePort();
      this.#tlsPort = this.#options.tls === undefined ? undefined : await freePort();
      await writeFile(join(this.#folder.path, "mosquitto.conf"), this.#configuration());
      try {
        await this.start();
        return;
      } catch (error) {
        if (attempt === 3 || !this.#log.includes("Address already in use")) throw error;
      }
    }
  }

  async start(): Promise<void> {
    if (this.#process !== undefined) throw new Error("mosquitto runs already");
    const logStart = this.#log.length;
    const child = spawn(this.#binary, ["-c", join(this.#folder.path, "mosquitto.conf")], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    const collect = (chunk: Buffer): void => {
      this.#log += chunk.toString();
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.once("error", (error) => {
      this.#log += `${error.message}\n`;
    });
    child.once("close", () => {
      if (this.#process === child) this.#process = undefined;
    });
    await waitFor(
      () => this.#process !== child || /mosquitto version \S+ running/.test(this.#log.slice(logStart)),
      { timeoutMs: 10_000, what: "mosquitto to start" },
    );
    if (this.#process !== child) throw new Error(`mosquitto did not start:\n${this.#log.slice(logStart)}`);
  }

  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async dispose(): Promise<void> {
    await this.#end("SIGKILL");
    await this.#folder.remove();
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (child === undefined) return;
    const closed = once(child, "close");
    child.kill(signal);
    await closed;
  }

  #configuration(): string {
    const { persistence = false, extraLines = [], tls, passwordFile } = this.#options;
    const access =
      passwordFile === undefined
        ? ["allow_anonymous true"]
        : ["allow_anonymous false", `password_file ${passwordFile}`];
    return [
      "per_listener_settings false",
      "log_dest stderr",
      "log_type all",
      // Started by root it would become another user, who may not write into our folder.
      ...(process.getuid?.() === 0 ? ["user root"] : []),
      ...access,
      ...(persistence
        ? ["persistence true", `persistence_location ${this.#folder.path}/`]
        : ["persistence false"]),
      `listener ${this.port} 127.0.0.1`,
      ...(tls === undefined || this.#tlsPort === undefined
        ? []
        : [
            `listener ${this.#tlsPort} 127.0.0.1`,
            `cafile ${tls.caFile}`,
            `certfile ${tls.certFile}`,
            `keyfile ${tls.keyFile}`,
            `require_certificate ${tls.requireCertificate === true}`,
          ]),
      ...extraLines,
      "",
    ].join("\n");
  }
}
