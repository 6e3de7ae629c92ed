/**
 * Examines all parts at once and shows them in their order: a line as soon as it is its part's turn. Parts on the
 * network wait for each other as long as one cause might be behind the failures of several. Whatever the parts do,
 * it ends: they are told to stop when their time is up, and not waited for much longer.
 */
import { aborted, once, sleep } from "../lib/abort.ts";
import type { Examination, Finding } from "./finding.ts";
import { isNetworkKnown, networkFailure, type PeerFindings, type Shown } from "./verdict.ts";

export interface Part {
  /** What its checks begin with: "broker.main". */
  readonly id: string;
  /** Its heading: "broker main". */
  readonly title: string;
  /** The name or address that it connects to; without one it is a part of this machine. */
  readonly host?: string | undefined;
  readonly examine: Examination;
}

/** Both together are the most that it takes. */
export interface DoctorLimits {
  /** When the parts are told to stop. */
  readonly examineMs: number;
  /** What they then have to do so. */
  readonly stopMs: number;
}

/** `id`: of its part. */
type Show = (finding: Shown, id: string) => void;

interface DoctorOptions {
  /** Lowest layer first. */
  readonly parts: readonly Part[];
  readonly show: Show;
  /** The titles of the parts that are not over, whenever nothing more can be shown before one of them is. */
  readonly wait?: (titles: readonly string[]) => void;
  readonly limits?: DoctorLimits;
  readonly signal: AbortSignal;
}

const defaultLimits: DoctorLimits = { examineMs: 25_000, stopMs: 3000 };

/**
 * Resolves with what was shown. Rejects with the signal's reason, and with what a part throws: that is a bug. In
 * each case all parts have been told to stop, and nothing is shown afterwards.
 */
export async function runDoctor(options: DoctorOptions): Promise<readonly Shown[]> {
  const { parts, signal, limits = defaultLimits } = options;
  const desk = new Desk(options);
  const stop = new AbortController();
  const over = new AbortController();
  const forget = once(signal, () => stop.abort(signal.reason));
  const timer = setTimeout(() => stop.abort(new Error("the time is up")), limits.examineMs);
  try {
    signal.throwIfAborted();
    const all = Promise.all(
      parts.map(async ({ examine }, index) => {
        try {
          await examine((finding) => desk.take(index, finding), stop.signal);
        } catch (error) {
          // How much of what stops says that it was stopped.
          if (!stop.signal.aborted || error !== stop.signal.reason) throw error;
        }
        // What ends because it was told to has not come to its end.
        if (!stop.signal.aborted) desk.end(index);
      }),
    );
    const late = aborted(stop.signal).then(async () => await sleep(limits.stopMs, over.signal));
    await Promise.race([all, late]);
    signal.throwIfAborted();
    return desk.close(limits.examineMs);
  } finally {
    desk.isOpen = false;
    stop.abort(new Error("over"));
    over.abort();
    clearTimeout(timer);
    forget();
  }
}

interface Entry {
  readonly part: Part;
  readonly findings: Finding[];
  isOver: boolean;
}

/** Takes findings in any order, shows them in that of the parts. */
class Desk {
  isOpen = true;
  readonly #entries: readonly Entry[];
  readonly #show: Show;
  readonly #wait: ((titles: readonly string[]) => void) | undefined;
  readonly #shown: Shown[] = [];
  /** The part whose turn it is, and how many of its findings have been shown. */
  #turn = 0;
  #shownOfTurn = 0;
  /** Undefined as long as the network may still be the cause of what several parts have found. */
  #behind: ReadonlySet<Finding> | undefined;

  constructor({ parts, show, wait }: Pick<DoctorOptions, "parts" | "show" | "wait">) {
    this.#entries = parts.map((part) => ({ part, findings: [], isOver: false }));
    this.#show = show;
    this.#wait = wait;
  }

  take(index: number, finding: Finding): void {
    const entry = this.#entries[index];
    if (!this.isOpen || entry === undefined || entry.isOver) return;
    entry.findings.push(finding);
    this.#advance();
  }

  end(index: number): void {
    const entry = this.#entries[index];
    if (!this.isOpen || entry === undefined) return;
    entry.isOver = true;
    this.#advance();
  }

  /** Whatever is not over by now did not get to its end in the time that it had. */
  close(examineMs: number): readonly Shown[] {
    for (const entry of this.#entries.filter(({ isOver }) => !isOver)) {
      entry.findings.push(unfinished(entry, examineMs));
      entry.isOver = true;
    }
    this.#advance();
    return this.#shown;
  }

  #advance(): void {
    for (;;) {
      const entry = this.#entries[this.#turn];
      if (entry === undefined) return;
      if (entry.part.host !== undefined && !this.#isNetworkSettled()) break;
      for (const finding of entry.findings.slice(this.#shownOfTurn)) this.#say(entry.part, finding);
      this.#shownOfTurn = entry.findings.length;
      if (!entry.isOver) break;
      this.#turn += 1;
      this.#shownOfTurn = 0;
    }
    this.#wait?.(this.#entries.filter(({ isOver }) => !isOver).map(({ part }) => part.title));
  }

  #isNetworkSettled(): boolean {
    if (this.#behind !== undefined) return true;
    const peers = this.#entries.flatMap(({ part, findings, isOver }): PeerFindings[] =>
      part.host === undefined ? [] : [{ part: part.title, host: part.host, findings, isOver }],
    );
    if (!isNetworkKnown(peers)) return false;
    const failure = networkFailure(peers);
    this.#behind = failure?.behind ?? new Set();
    if (failure !== undefined) this.#say({ id: "network", title: "network" }, failure.finding);
    return true;
  }

  #say({ id, title }: Pick<Part, "id" | "title">, finding: Finding): void {
    const isBehind = this.#behind?.has(finding) === true;
    const shown: Shown = { part: title, ...finding, ...(isBehind ? { behind: "network" } : {}) };
    this.#shown.push(shown);
    this.#show(shown, id);
  }
}

function unfinished({ part, findings }: Entry, examineMs: number): Finding {
  const rest = findings.length === 0 ? "nothing is known of it" : "what it found until then stands above";
  return {
    check: `${part.id}.finished`,
    severity: "failure",
    text: `not finished after ${examineMs / 1000} s: ${rest}`,
    hint: "something answers slowly or not at all: try again, and look at this machine's load and network (top, ip route)",
  };
}
