/** streams-main.ts as a test sees it: a daemon that can be told what to ask. Whoever starts it ends it. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { StreamsStatus } from "../../src/streams/port.ts";
import type { LogLine } from "./daemon.ts";
import type { Numbered, Outcome, StreamsMainSettings, StreamsOrder, StreamsReply } from "./streams-main.ts";

const program = new URL("./streams-main.ts", import.meta.url);
/** Longer than any query of these tests. */
const replyTimeoutMs = 60_000;

export class StreamsDaemon implements AsyncDisposable {
  readonly pid: number;
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, (reply: StreamsReply) => void>();
  #nextId = 1;
  #output = "";

  constructor(settings: StreamsMainSettings) {
    this.#process = fork(program, [JSON.stringify(settings)], {
      execArgv: [],
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      serialization: "advanced",
      env: { ...process.env, JOURNAL_STREAM: undefined, RUNTIME_DIRECTORY: undefined },
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => (this.#output += text));
    }
    this.#process.on("message", (message) => {
      const { id, body } = message as Numbered<StreamsReply>;
      this.#waiting.get(id)?.(body);
      this.#waiting.delete(id);
    });
    const { pid } = this.#process;
    if (pid === undefined) throw new Error("the daemon did not start");
    this.pid = pid;
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** What it has said, for the message of a failure. */
  get output(): string {
    return this.#output;
  }

  get log(): LogLine[] {
    const lines = this.#output.split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as LogLine);
  }

  async ask(text: string): Promise<Outcome> {
    return (await this.#order({ kind: "ask", text })) as Outcome;
  }

  async status(): Promise<StreamsStatus> {
    return (await this.#order({ kind: "status" })) as StreamsStatus;
  }

  async subscribe(text: string, everyMs: number): Promise<void> {
    await this.#order({ kind: "subscribe", text, everyMs });
  }

  /** SIGTERM; its exit code. */
  async stop(): Promise<number | null> {
    await this.#end("SIGTERM");
    return this.#process.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end("SIGKILL");
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (!this.isRunning) return;
    const closed = once(this.#process, "close");
    this.#process.kill(signal);
    await closed;
  }

  async #order(body: StreamsOrder): Promise<StreamsReply> {
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<StreamsReply>();
    const fail = (): void => {
      reject(new Error(`the daemon gave no answer to ${JSON.stringify(body)}:\n${this.#output}`));
    };
    const timer = setTimeout(fail, replyTimeoutMs);
    this.#process.once("exit", fail);
    this.#waiting.set(id, resolve);
    this.#process.send({ id, body } satisfies Numbered<StreamsOrder>);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#process.off("exit", fail);
    }
  }
}
