/**
 * What a damaged journal still holds goes on its way: a process reads the moved file (journal/salvage.ts), and
 * its messages are put back into the log, a portion at a time with a rest between two, so that what comes in has
 * the disk. Stopped at any moment it goes on where it was; no message is left out, and none is put back twice.
 */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { messageFromRow, type JournalMessage, placeOf } from "../journal/message.ts";
import { SalvageProcess, salvageBrokenFault, salvagedFault } from "../journal/salvage.ts";
import type { OldBoot, SalvagedRows } from "../journal/salvage-frames.ts";
import {
  noteEnd,
  noteProgress,
  type Progress,
  readProgress,
  unfinishedSalvages,
} from "../journal/salvage-progress.ts";
import type { Position } from "../journal/salvage-file.ts";
import { sleep } from "../lib/abort.ts";
import type { Clock } from "../lib/clock.ts";
import { errorCode, Fault } from "../lib/fault.ts";
import type { Log } from "../lib/log.ts";
import type { Beat } from "../lib/pulse.ts";
import type { State } from "../state/state.ts";

export interface SalvageDeps {
  readonly dir: string;
  readonly journal: {
    readonly id: string;
    readonly boots: { adopt(boot: Omit<OldBoot, "key">): number };
  };
  readonly committer: {
    readonly lastSeq: number;
    read(lo: number, hi: number, maxCount: number): JournalMessage[];
    requeue(
      messages: readonly JournalMessage[],
      each: (stored: readonly JournalMessage[]) => void,
    ): Promise<unknown>;
  };
  /** Where it is counted what went with the moved file. */
  readonly state: { readonly salvages: Pick<State["salvages"], "record"> };
  readonly clock: Clock;
  readonly log: Log;
}

/** After a portion the salvage rests so many times as long as that took. */
const restFactor = 4;
const minRestMs = 20;
/** The log or the disk is full, or somebody holds the file. */
const retryMs = 10_000;
const readAtOnce = 500;

/** Ends when there is nothing left to salvage. Rejects when a process breaks off (salvage_failed: retry). */
export async function runSalvage(deps: SalvageDeps, signal: AbortSignal, beat: Beat): Promise<void> {
  for (const file of unfinishedSalvages(deps.dir)) {
    if (signal.aborted) return;
    await new Salvage(file, deps, beat).run(signal);
  }
}

class Salvage {
  readonly #file: string;
  readonly #deps: SalvageDeps;
  readonly #beat: Beat;
  readonly #bootKeys = new Map<number, number>();
  readonly #before: Progress | undefined;
  /** Contents of messages that are in the log behind that note. */
  #present: ReadonlySet<string> = new Set();

  constructor(file: string, deps: SalvageDeps, beat: Beat) {
    this.#file = file;
    this.#deps = deps;
    this.#beat = beat;
    this.#before = readProgress(file);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { log, clock } = this.#deps;
    log.info("salvaging what is left in a moved journal", { file: this.#file });
    using salvage = new SalvageProcess(this.#file, this.#before?.position, signal);
    for (;;) {
      this.#beat();
      const frame = await salvage.next();
      if (signal.aborted) return;
      if (frame === undefined) throw salvageBrokenFault(this.#file);
      const startMs = clock.uptimeMs();
      if (frame.kind === "begin") await this.#begin(frame.boots, signal);
      else if (frame.kind === "rows") await this.#putBack(frame, signal);
      else if (frame.kind === "end") {
        await this.#durably(() => {
          // First: what ends without having been counted would never be.
          this.#deps.state.salvages.record(basename(this.#file), frame);
          noteEnd(this.#file, frame);
        }, signal);
        if (!signal.aborted) log.fault(salvagedFault(this.#file, frame));
        return;
      } else return;
      if (signal.aborted) return;
      await sleep(Math.max(minRestMs, restFactor * (clock.uptimeMs() - startMs)), signal);
    }
  }

  async #begin(boots: readonly OldBoot[], signal: AbortSignal): Promise<void> {
    const { journal } = this.#deps;
    for (const { key, ...boot } of boots) this.#bootKeys.set(key, journal.boots.adopt(boot));
    const isOfThisLog = this.#before?.journalId === journal.id;
    if (isOfThisLog) this.#present = await this.#putBackAfter(this.#before.seq, signal);
    else await this.#note(this.#before?.position, signal);
  }

  async #note(position: Position | undefined, signal: AbortSignal): Promise<void> {
    const { journal, committer } = this.#deps;
    await this.#durably(() => {
      noteProgress(this.#file, { position, journalId: journal.id, seq: committer.lastSeq });
    }, signal);
  }

  async #putBack({ rows, position }: SalvagedRows, signal: AbortSignal): Promise<void> {
    let left: readonly JournalMessage[] = rows
      .map((row) => ({ ...messageFromRow(row), bootKey: this.#bootKeys.get(row.boot) ?? 0 }))
      .filter((message) => !this.#present.has(contentOf(message)));
    await this.#durably(async () => {
      await this.#deps.committer.requeue(left, (stored) => {
        left = left.slice(stored.length);
      });
    }, signal);
    if (signal.aborted) return;
    await this.#note(position, signal);
  }

  /** Until it succeeds or the signal aborts: on a full disk or in a full log the salvage waits. */
  async #durably(attempt: () => Promise<void> | void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await attempt();
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (!isPassing(error)) throw error;
        this.#beat();
        await sleep(retryMs, signal);
      }
    }
  }

  /** Of a portion that was put back and not noted: a note follows each. What came in behind it may be much. */
  async #putBackAfter(seq: number, signal: AbortSignal): Promise<Set<string>> {
    const { committer } = this.#deps;
    const present = new Set<string>();
    const end = committer.lastSeq;
    let next = seq + 1;
    while (next <= end && !signal.aborted) {
      const messages = committer.read(next, end, readAtOnce);
      for (const message of messages) if (message.again === true) present.add(contentOf(message));
      next = (messages.at(-1)?.seq ?? end) + 1;
      this.#beat();
      await turn();
    }
    return present;
  }
}

/** Equal for a message and for itself when it was put back. */
function contentOf(message: JournalMessage): string {
  const { source, topic, payload, receivedMs, uptimeMs } = message;
  const head = JSON.stringify([source, topic, receivedMs, Math.round(uptimeMs), placeOf(message)]);
  return createHash("sha1").update(head).update(payload).digest("base64");
}

function isPassing(error: unknown): boolean {
  if (error instanceof Fault) return error.disposition === "retry";
  const code = errorCode(error);
  return code === "ENOSPC" || code === "EDQUOT" || code === "EROFS";
}
