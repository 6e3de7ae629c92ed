import type { Clock } from "../lib/clock.ts";
import type { Batch } from "./batch.ts";
import { type CondemnedLine, namedLines, type Undertaker } from "./dead-letters.ts";
import type { FaultReport } from "./fault-report.ts";
import type { MessageEnds } from "./message-ends.ts";
import type { WriteOutcome } from "./ports.ts";
import type { ReadyLine, ReadyMessage } from "./ready.ts";
import { cutting, halving, RefusalBudget } from "./refusal-budget.ts";
import type { Refusals } from "./refusals.ts";
import type { Fates } from "./fates.ts";
import type { Held } from "./held.ts";

type Refused = Extract<WriteOutcome, { kind: "refused" }>;
type TooLarge = Extract<WriteOutcome, { kind: "too_large" }>;

interface RefusedBatchesDeps {
  readonly ends: MessageEnds;
  readonly fates: Fates;
  readonly refusals: Refusals;
  readonly held: Held;
  readonly undertaker: Undertaker;
  readonly clock: Clock;
  readonly report: FaultReport;
}

/** How long messages that InfluxDB refused, or stumbled over, are left alone. */
export const setAsideMs = 300_000;
/** How long a batch waits of which too many lines were named. */
const cutPauseMs = 15_000;
/** How long messages wait for room for their dead letters. */
const noRoomRetryMs = 30_000;
/** A server that writes all or nothing names one line in each answer: after so many its batch is halved. */
const maxCuts = 8;

/** Halvings that are given back for each write that passes: on the way to one bad line as many pass as are refused. */
const refunded = 2;

/** What is to be written next of a refused batch. */
export interface NextBatch {
  readonly batch: Batch;
  /** Refusals since it was halved by which lines were cut out of it. */
  readonly cuts: number;
}

/**
 * Takes a batch apart that the server has refused, which is well and read it: what is refused becomes a dead
 * letter, the rest goes again at once, in as few requests as the answers allow.
 *
 * - Named lines are cut out. With b bad lines that takes 1 + b + b/8 requests at the most.
 * - Without names it is halved, between messages first, then between the lines of one, until a line stands
 *   alone: 1 + 2 log2(n) requests for one bad line among n.
 * - A line that is refused alone is dead when the server is certain, or on evidence (`Fates`); till then its
 *   message is parked and only that line is tried again, seldom.
 * - A batch that is too large is halved down to one line, which is dead.
 *
 * All of it within budgets, to which every write that passes gives back: when everything is refused, batches are
 * parked whole. A message is settled when the dead
 * letters of its lines are durable, and not before.
 */
export class RefusedBatches {
  readonly #deps: RefusedBatchesDeps;
  readonly #halving: RefusalBudget;
  readonly #sizing: RefusalBudget;
  readonly #cutting: RefusalBudget;

  constructor(deps: RefusedBatchesDeps) {
    this.#deps = deps;
    this.#halving = new RefusalBudget(deps.clock, halving);
    this.#sizing = new RefusalBudget(deps.clock, halving);
    this.#cutting = new RefusalBudget(deps.clock, cutting);
  }

  /** What is to be written at once; of everything else it has seen to what becomes of it. */
  refused(batch: Batch, outcome: Refused, cuts: number): readonly NextBatch[] {
    this.#deps.held.refused(outcome.fault);
    const named = outcome.isCertain ? namedLines(batch, outcome.lines, outcome.fault.code) : [];
    if (named.length > 0) return this.#cut(batch, named, outcome, cuts);
    const lone = loneLine(batch);
    if (lone !== undefined) {
      this.#refusedAlone(batch, lone, outcome);
      return [];
    }
    if (this.#halving.take()) return this.#halved(batch);
    this.#park(batch, setAsideMs);
    this.#deps.report.say(outcome.fault, batch.onlyMessage);
    return [];
  }

  /** A write has passed, or lines are dead for good: what was halved for it was not halved in vain. */
  advanced(): void {
    this.#halving.refund(refunded);
  }

  /** `areSmaller`: batches that are made from now on are smaller than this one. */
  tooLarge(batch: Batch, outcome: TooLarge, areSmaller: boolean): readonly NextBatch[] {
    const lone = loneLine(batch);
    if (lone !== undefined) {
      const bytes = Buffer.byteLength(lone.line.text);
      const reason = `the line alone, of ${bytes} bytes, is too large: ${outcome.fault.message}`;
      const condemned = { ...lone, lines: [lone.line], number: 1, code: "write_line_too_large", reason };
      this.#bury(batch, [condemned]);
      return [];
    }
    this.#deps.held.refused(outcome.fault);
    this.#deps.report.say(outcome.fault, batch.onlyMessage);
    if (this.#sizing.take()) return this.#halved(batch);
    if (areSmaller && batch.onlyMessage === undefined) this.#deps.ends.release(batch, false);
    else this.#park(batch, setAsideMs);
    return [];
  }

  #cut(
    batch: Batch,
    named: readonly CondemnedLine[],
    { fault }: Refused,
    cuts: number,
  ): readonly NextBatch[] {
    if (!this.#cutting.take()) {
      this.#park(batch, cutPauseMs);
      this.#deps.report.say(fault, batch.onlyMessage);
      return [];
    }
    const rest = this.#bury(batch, named);
    if (rest.isEmpty) return [];
    if (cuts + 1 < maxCuts || rest.lineCount < 2) return [{ batch: rest, cuts: cuts + 1 }];
    return this.#halved(rest);
  }

  /** Returns the batch without the lines; where there was no room for them, without their messages. */
  #bury(batch: Batch, condemned: readonly CondemnedLine[]): Batch {
    const { undertaker, fates, refusals, ends } = this.#deps;
    const lines = new Set(condemned.map(({ line }) => line));
    const codes = new Map(condemned.map(({ message, code }) => [message.seq, code]));
    const isTheirs = ({ message }: { readonly message: ReadyMessage }): boolean => codes.has(message.seq);
    if (!undertaker.bury(condemned)) {
      this.#park(
        batch.without((part) => !isTheirs(part)),
        noRoomRetryMs,
      );
      return batch.without(isTheirs);
    }
    this.advanced();
    for (const { message, line } of condemned) {
      fates.finish(message.seq, line.row, "dead");
      refusals.blame(message, line);
    }
    for (const part of batch.parts) {
      const code = codes.get(part.message.seq);
      if (code !== undefined && part.lines.every((line) => lines.has(line))) ends.dead(part.message, code);
    }
    return batch.without((_part, line) => lines.has(line));
  }

  #refusedAlone(batch: Batch, lone: LoneLine, { fault, isCertain }: Refused): void {
    const { fates, refusals, report } = this.#deps;
    const { message, line } = lone;
    if (isCertain || fates.refusedAlone(message.seq, line.row)) {
      const reason = fault.message;
      this.#bury(batch, [{ ...lone, lines: [line], number: 1, code: fault.code, reason }]);
      return;
    }
    refusals.blame(message, line);
    this.#park(batch, setAsideMs);
    report.say(fault, message);
  }

  #halved(batch: Batch): readonly NextBatch[] {
    const { onlyMessage } = batch;
    if (onlyMessage !== undefined) this.#deps.ends.split(onlyMessage.seq);
    return batch.halves().map((half) => ({ batch: half, cuts: 0 }));
  }

  #park(batch: Batch, forMs: number): void {
    this.#deps.ends.park(batch, this.#deps.clock.uptimeMs() + forMs, true);
  }
}

interface LoneLine {
  readonly message: ReadyMessage;
  readonly line: ReadyLine;
}

/** The only line of a batch that has one. */
function loneLine(batch: Batch): LoneLine | undefined {
  return batch.lineCount === 1 ? batch.lineAt(1) : undefined;
}
