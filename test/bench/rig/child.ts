/** A helper of a benchmark in a process of its own, which talks over Node's IPC channel. */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** Longer than anything that a helper does before it reports. */
const reportTimeoutMs = 30_000;

export class Child<Order extends object, Report extends object> {
  readonly #process: ChildProcess;
  readonly #name: string;
  readonly #waiting: ((report: Report) => void)[] = [];
  #onReport: ((report: Report) => void) | undefined;

  private constructor(file: URL, settings: object) {
    this.#name = fileURLToPath(file);
    this.#process = fork(file, [JSON.stringify(settings)], {
      execArgv: [],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#process.on("message", (report) => {
      this.#onReport?.(report as Report);
      this.#waiting.shift()?.(report as Report);
    });
  }

  /** Resolves with the helper's first report: it is ready. */
  static async start<Order extends object, Report extends object>(
    file: URL,
    settings: object,
  ): Promise<{ readonly child: Child<Order, Report>; readonly report: Report }> {
    const child = new Child<Order, Report>(file, settings);
    return { child, report: await child.nextReport() };
  }

  get pid(): number {
    const { pid, exitCode } = this.#process;
    if (pid === undefined || exitCode !== null) throw new Error(`${this.#name} has ended`);
    return pid;
  }

  send(order: Order): void {
    this.#process.send(order);
  }

  onReport(listener: (report: Report) => void): void {
    this.#onReport = listener;
  }

  async nextReport(timeoutMs = reportTimeoutMs): Promise<Report> {
    const { promise, resolve, reject } = Promise.withResolvers<Report>();
    this.#waiting.push(resolve);
    const timer = setTimeout(() => {
      reject(new Error(`${this.#name} said nothing for ${timeoutMs} ms`));
    }, timeoutMs);
    const ended = (code: number | null): void => {
      reject(new Error(`${this.#name} ended with ${code}`));
    };
    this.#process.once("exit", ended);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#process.off("exit", ended);
    }
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await exited;
  }
}

/** In the helper: what `start` was given. From then on it ends with the benchmark, however that ends. */
export function helperSettings(): unknown {
  process.once("disconnect", () => {
    process.kill(process.pid, "SIGKILL");
  });
  return JSON.parse(process.argv[2] ?? "");
}

/** In the helper. */
export function report(message: object): void {
  process.send?.(message);
}
