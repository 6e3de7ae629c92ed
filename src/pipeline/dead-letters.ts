import { Fault } from "../lib/fault.ts";
import type { Batch, BatchPart } from "./batch.ts";
import { type Counters, countUnder } from "./counters.ts";
import type { FaultReport } from "./fault-report.ts";
import type { DeadLetters, DeadLine, Destination, MessageLog } from "./ports.ts";
import type { ReadyLine } from "./ready.ts";

/** A line that is given up, and why. */
export interface CondemnedLine extends BatchPart {
  readonly line: ReadyLine;
  /** Its number in the batch that was refused. */
  readonly number: number;
  readonly code: string;
  /** The server's, or ours. */
  readonly reason: string;
}

interface UndertakerDeps {
  readonly destination: Destination;
  readonly log: MessageLog;
  readonly deadLetters: DeadLetters;
  readonly counters: Counters;
  readonly report: FaultReport;
}

/** Keeps refused lines with the bytes of their messages, and says so. */
export class Undertaker {
  readonly #deps: UndertakerDeps;

  constructor(deps: UndertakerDeps) {
    this.#deps = deps;
  }

  /** Durable when it returns true. False: there is no room for them at present; nothing was kept. */
  bury(lines: readonly CondemnedLine[]): boolean {
    const { deadLetters, counters, report } = this.#deps;
    const messages = new Map(lines.map(({ message }) => [message.seq, this.#whole(message)]));
    const entries = lines.map((line): DeadLine => {
      const { device, bare } = line.message;
      const message = messages.get(bare.seq) ?? bare;
      return {
        message,
        database: this.#deps.destination.name,
        line: line.line.text,
        device,
        fault: faultOf(line),
      };
    });
    try {
      deadLetters.bury(entries);
    } catch (error) {
      if (!(error instanceof Fault) || error.disposition !== "retry") throw error;
      report.say(error);
      return false;
    }
    for (const line of lines) {
      countUnder(counters.deadLines, line.code);
      report.say(placedFault(line), line.message);
    }
    return true;
  }

  /** With its payload, unless the quota has taken it. */
  #whole({ seq, bare }: BatchPart["message"]): DeadLine["message"] {
    const [message] = this.#deps.log.read(seq, seq, 1);
    return message ?? bare;
  }
}

const hint =
  "the line is kept with its message: flightline buffer list --dead shows it, flightline buffer requeue --dead sends it again when the cause is mended";

function faultOf({ code, reason }: CondemnedLine): Fault {
  return new Fault({ code, layer: "write", disposition: "quarantine", message: reason, hint });
}

function placedFault({ code, reason, number, line, message }: CondemnedLine): Fault {
  const whose = message.device === undefined ? "" : ` of device ${message.device}`;
  const what = `line ${number}${whose}, table ${JSON.stringify(line.table)}, is dead-lettered: ${reason}`;
  return new Fault({ code, layer: "write", disposition: "quarantine", message: what, hint });
}

/** The lines of a batch that the server names, each once. Numbers that no line has name nothing. */
export function namedLines(
  batch: Batch,
  refused: readonly { readonly number: number; readonly reason: string }[],
  code: string,
): CondemnedLine[] {
  const named = new Map<ReadyLine, CondemnedLine>();
  for (const { number, reason } of refused) {
    const found = batch.lineAt(number);
    if (found !== undefined && !named.has(found.line))
      named.set(found.line, { ...found, number, code, reason });
  }
  return [...named.values()];
}
