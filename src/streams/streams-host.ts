/**
 * One streams process, as the daemon sees it: its channel, what it last said on standard error, its end.
 * Whatever it does, nothing is thrown here; its death is a value.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { Duplex } from "node:stream";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { settledWithin } from "../lib/abort.ts";
import { errorCode } from "../lib/fault.ts";
import { withoutControls } from "../lib/one-line.ts";
import { diedFailure, type ProcessFailure, stuckFailure } from "./faults.ts";
import { channelFd, type Frame, frameOf, FrameReader } from "./frames.ts";
import { type FromProcess, fromProcessOf, type ToProcess } from "./messages.ts";

/** What Node and OpenSSL need of our environment. Nothing of it is a secret, and no proxy is. */
const passedOn = [
  "LD_LIBRARY_PATH",
  "MALLOC_ARENA_MAX",
  "NODE_EXTRA_CA_CERTS",
  "SSL_CERT_DIR",
  "SSL_CERT_FILE",
  "TZ",
];

/** What cannot be read costs the daemon as much as what can, and a process that is well sends none. */
const maxBroken = 16;

/** Of the daemon's memory: more than all the queries that may be under way, each as long as a message may be. */
const maxUnreadBytes = 16 * 1024 * 1024;

/** Of standard error: V8's last words take some of it. */
const maxTailLength = 16 * 1024;
const maxLineLength = 300;

export interface HostOptions {
  readonly entry: URL;
  readonly maxHeapMiB: number;
  /** `bytes`: of its frame. */
  readonly received: (message: FromProcess, bytes: number) => void;
  /** What it sent is no message. */
  readonly broken: () => void;
  readonly redact: (text: string) => string;
}

/** In the folder of this file, and in its language: TypeScript in src, JavaScript in dist. */
export function defaultEntry(): URL {
  return new URL(`./streams-process${extname(import.meta.filename)}`, import.meta.url);
}

export class StreamsHost {
  readonly pid: number | undefined;
  /** How it ended. Never rejects. */
  readonly ended: Promise<ProcessFailure>;
  readonly #child: ChildProcess | undefined;
  readonly #channel: Duplex | undefined;
  readonly #options: HostOptions;
  #stderr = "";
  #broken = 0;
  /** Why it was killed here. */
  #doom: ProcessFailure | undefined;

  constructor(options: HostOptions) {
    this.#options = options;
    const started = start(options);
    if (typeof started === "string") {
      this.ended = Promise.resolve(diedFailure(`could not be started (${started})`));
      return;
    }
    const { promise, resolve } = Promise.withResolvers<ProcessFailure>();
    this.ended = promise;
    this.#child = started;
    this.pid = started.pid;
    started.on("error", (error) => {
      if (started.pid === undefined) resolve(diedFailure(`could not be started (${errorCode(error)})`));
    });
    // After "exit", when all that it has written is read.
    started.on("close", (code, signal) => {
      resolve(this.#doom ?? diedFailure(this.#epitaph(code, signal)));
    });
    started.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-maxTailLength);
    });
    const channel = started.stdio?.[channelFd];
    if (channel instanceof Duplex) this.#channel = channel;
    this.#listen();
  }

  /** False: it does not fit into a message. To a process that is gone nothing is sent. */
  send(message: ToProcess): boolean {
    const frame = frameOf(message);
    if (frame === undefined) return false;
    const channel = this.#channel;
    if (channel?.writable === true) {
      channel.write(frame);
      if (channel.writableLength > maxUnreadBytes)
        this.#condemn(stuckFailure("did not read what it was sent"));
    }
    return true;
  }

  kill(): void {
    this.#child?.kill("SIGKILL");
  }

  /** Closes the channel, with which it ends; resolves when it has, killed after the timeout. */
  async end(timeoutMs: number): Promise<void> {
    this.#channel?.end();
    if (!(await settledWithin(this.ended, timeoutMs))) this.kill();
    await this.ended;
  }

  #listen(): void {
    const reader = new FrameReader();
    this.#channel?.on("data", (chunk: Buffer) => {
      for (const frame of reader.read(chunk)) {
        this.#take(frame);
        if (this.#doom !== undefined) return;
      }
    });
    // It is gone, which `ended` tells.
    this.#channel?.on("error", () => undefined);
  }

  #take(frame: Frame): void {
    const { received, broken } = this.#options;
    if (frame.kind === "message") {
      const message = fromProcessOf(frame.value);
      if (message !== undefined) {
        received(message, frame.bytes);
        return;
      }
    }
    broken();
    this.#broken += 1;
    if (frame.kind === "lost" || this.#broken >= maxBroken) {
      this.#condemn(diedFailure("sent what is no message and was killed"));
    }
  }

  /** Nothing that it has sent is read any more, and nothing that it was sent is kept. */
  #condemn(failure: ProcessFailure): void {
    this.#doom ??= failure;
    this.kill();
    this.#channel?.destroy();
  }

  #epitaph(code: number | null, signal: string | null): string {
    const how = signal === null ? `exited with code ${code}` : `was ended by ${signal}`;
    const line = this.#lastWords();
    return line === undefined ? how : `${how}: ${line}`;
  }

  /** The line that tells most: an error's or V8's own, not the stack behind it. */
  #lastWords(): string | undefined {
    const isCut = this.#stderr.length === maxTailLength;
    // What stands before the first line end of a cut text may be half of a secret.
    const whole = isCut ? this.#stderr.slice(this.#stderr.indexOf("\n") + 1) : this.#stderr;
    const lines = this.#options
      .redact(whole)
      .split("\n")
      .map((line) => withoutControls(line).trim())
      .filter((line) => line !== "");
    const line = lines.findLast((text) => /^(?:\w*Error|FATAL ERROR)\b/.test(text)) ?? lines.at(-1);
    return line === undefined || line.length <= maxLineLength ? line : `${line.slice(0, maxLineLength)}…`;
  }
}

/** The code of the error for which there is no process. Some come as the event "error" instead. */
function start({ entry, maxHeapMiB }: HostOptions): ChildProcess | string {
  const env = Object.fromEntries(
    passedOn.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
  try {
    return spawn(
      process.execPath,
      [`--max-old-space-size=${maxHeapMiB}`, fileURLToPath(entry), String(process.pid)],
      { env, stdio: ["ignore", "ignore", "pipe", "pipe"] },
    );
  } catch (error) {
    return errorCode(error) ?? "unknown error";
  }
}
