/** The InfluxDB stand-in in a process of its own, and what a proof asks of it. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

export interface InfluxOptions {
  readonly flushIntervalMs?: number;
  readonly maxBodyBytes?: number;
}

/** Shares of all writes, and of all lines of events. */
export interface InfluxTrouble {
  /** Committed, then the connection is cut instead of an answer. */
  readonly loseAnswers: number;
  /** Nothing committed, connection cut. */
  readonly resets: number;
  /** Nothing committed, 500 or 503. */
  readonly unwell: number;
  /** Refused with their number, each time that they come. */
  readonly refuseLines: number;
}

export interface InfluxFigures {
  /** Different uplinks that are committed. */
  readonly written: number;
  /** Deduplication ids in confirmed writes since "forget answers". */
  readonly answered: readonly string[];
  readonly answersLost: number;
  readonly resets: number;
  /** Answers of 500 and 503. */
  readonly unwell: number;
  /** Different lines. */
  readonly refusedLines: number;
  readonly writes: number;
  /** Lines that came again with the same values. */
  readonly repeated: number;
}

type Order =
  | { readonly what: "figures" | "well" | "forget answers" }
  | { readonly what: "trouble"; readonly trouble: InfluxTrouble; readonly seed: number }
  | { readonly what: "kill after an answer"; readonly pid: number };

export type InfluxOrder = Order & { readonly id: number };

interface Reply {
  readonly id: number;
  readonly figures: InfluxFigures;
}

const noTrouble: InfluxTrouble = { loseAnswers: 0, resets: 0, unwell: 0, refuseLines: 0 };

export class ProofInflux {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (figures: InfluxFigures) => void>();
  #orders = 0;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
    child.on("message", ({ id, figures }: Reply) => {
      this.#waiting.get(id)?.(figures);
      this.#waiting.delete(id);
    });
  }

  static async start(options: InfluxOptions = {}): Promise<ProofInflux> {
    const file = join(import.meta.dirname, "proof-influx-process.ts");
    const child = fork(file, [JSON.stringify({ flushIntervalMs: 50, ...options })], { stdio: "inherit" });
    const [first] = (await Promise.race([once(child, "message"), once(child, "exit")])) as [unknown];
    if (typeof first !== "object" || first === null || !("port" in first)) {
      throw new Error("the stand-in did not start");
    }
    return new ProofInflux(child, Number(first.port));
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async figures(): Promise<InfluxFigures> {
    return await this.#order({ what: "figures" });
  }

  async trouble(trouble: Partial<InfluxTrouble>, seed: number): Promise<void> {
    await this.#order({ what: "trouble", trouble: { ...noTrouble, ...trouble }, seed });
  }

  /** Back to an honest server. */
  async well(): Promise<void> {
    await this.#order({ what: "well" });
  }

  /** SIGKILL for this process as soon as the next write with an uplink in it is answered. */
  async killAfterAnswer(pid: number): Promise<void> {
    await this.#order({ what: "kill after an answer", pid });
  }

  async forgetAnswers(): Promise<void> {
    await this.#order({ what: "forget answers" });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.disconnect();
    await exited;
  }

  async #order(order: Order): Promise<InfluxFigures> {
    this.#orders += 1;
    const id = this.#orders;
    return await new Promise((resolve, reject) => {
      this.#waiting.set(id, resolve);
      this.#child.send({ ...order, id }, (error) => {
        if (error !== null) reject(error);
      });
    });
  }
}
