import type { Clock } from "../lib/clock.ts";
import type { Fault } from "../lib/fault.ts";
import { FaultThrottle, type Log, type LogDetails } from "../lib/log.ts";
import type { Destination } from "./ports.ts";

const repeatFaultMs = 60_000;

interface FaultReportDeps {
  readonly clock: Clock;
  readonly logger: Log;
  readonly log: { readonly backlog: number };
  readonly destination: Destination;
}

/** What a forwarder has to say. Where several databases are written, it names its own unless that is the main one. */
export class FaultReport {
  readonly #deps: FaultReportDeps;
  readonly #throttle = new FaultThrottle(repeatFaultMs);
  readonly #where: LogDetails;

  constructor(deps: FaultReportDeps) {
    this.#deps = deps;
    const { isDefault, name, route } = deps.destination;
    this.#where = isDefault ? {} : { database: name, route };
  }

  /** One line a minute for each fault code, with how much is waiting and, where one is to blame, which. */
  say(fault: Fault, about?: { readonly seq: number; readonly topic: string }): void {
    const { clock, logger, log } = this.#deps;
    const suppressed = this.#throttle.admit(fault.code, clock.uptimeMs());
    if (suppressed === undefined) return;
    logger.fault(fault, {
      ...this.#where,
      ...(about === undefined ? {} : { topic: about.topic, seq: about.seq }),
      backlog: log.backlog,
      ...(suppressed > 0 ? { repeated: suppressed } : {}),
    });
  }

  /** One line, whatever was said before. */
  sayAlways(fault: Fault): void {
    this.#deps.logger.fault(fault, this.#where);
  }

  info(message: string): void {
    this.#deps.logger.info(message, this.#where);
  }
}
