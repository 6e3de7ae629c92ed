/**
 * A projector at work on a real journal and a real state.db. What is received has the times that a test
 * gives it; the committer's clock is real.
 */
import { cpSync } from "node:fs";
import type { TestContext } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Committer } from "../../../src/journal/committer.ts";
import { Journal } from "../../../src/journal/journal.ts";
import type { IncomingMessage } from "../../../src/journal/message.ts";
import { systemClock } from "../../../src/lib/clock.ts";
import { Wakeup } from "../../../src/lib/wakeup.ts";
import { ownSource } from "../../../src/pipeline/own-message.ts";
import { Projector, type ProjectorDeps } from "../../../src/pipeline/project.ts";
import { OwnRows } from "../../../src/pipeline/project-rows.ts";
import type { RouteFacts } from "../../../src/pipeline/route.ts";
import type { StoredRegistry } from "../../../src/state/registry-store.ts";
import { State } from "../../../src/state/state.ts";
import type { Point } from "../../../src/telemetry/point.ts";
import { RecordingLog } from "../../support/fakes/recording-log.ts";
import { folder, journalConfig, ManualClock } from "../journal/fixture.ts";
import { eventOf, ownMessage, settings, startMs } from "./project-events.ts";

/** Who looks at messages one by one, without a marker. */
export const plainEvents: ProjectorDeps["events"] = {
  marked(messages, look) {
    for (const message of messages) look(message);
  },
  of: eventOf,
};

/** What a crash throws, from there on at everything that is tried. */
class Crash extends Error {}

export interface Life {
  readonly projector: Projector;
  readonly committer: Committer;
  readonly log: RecordingLog;
  /** Things done at which the process can die. */
  readonly steps: number;
  /** Commits messages as if they had just been received. */
  receive(messages: readonly IncomingMessage[]): void;
  /** Waits until everything is projected and every row is durable. */
  idle(): Promise<void>;
  /** In the order of the data. Rejects with what a part rejected with. */
  stop(): Promise<void>;
  /** Ends it like `stop`, but whatever it tries is in vain; resolves when nothing runs. */
  die(): Promise<void>;
}

export interface LifeOptions {
  /** Dies at this step. */
  readonly crashAt?: number | undefined;
  readonly clock?: ManualClock;
  /** How far the clock goes with each chunk that is read: more than five minutes make a save due. */
  readonly perReadMs?: number;
  readonly deps?: Partial<ProjectorDeps>;
}

/** A data directory that is removed after the test. */
export function dataFolder(t: TestContext, like?: string): string {
  const dir = folder(t);
  if (like !== undefined) cpSync(like, dir, { recursive: true });
  return dir;
}

/** Puts messages into the journal as an earlier process would have done. */
export function journalled(dir: string, messages: readonly IncomingMessage[]): void {
  withJournal(dir, (journal) => journal.commit(messages));
}

function withJournal<T>(dir: string, use: (journal: Journal) => T): T {
  const journal = Journal.open(journalConfig(dir), systemClock, "boot-a");
  try {
    return use(journal);
  } finally {
    journal.close();
  }
}

/** What the file of the registry holds. */
export function storedRegistry(dir: string): StoredRegistry {
  const state = State.open(dir, startMs);
  try {
    return state.registry.load();
  } finally {
    state.close();
  }
}

/** Our own rows in the journal, in its order. */
export function ownRows(dir: string): Point[] {
  return withJournal(dir, (journal) =>
    journal
      .read(1, journal.lastSeq, 1_000_000)
      .filter(({ source }) => source === ownSource)
      .flatMap((message) => ownMessage(message).points),
  );
}

export function rowText({ table, tags, fields, timeNs }: Point): string {
  return JSON.stringify([table, tags, String(timeNs), fields]);
}

/** As a set: a row that is made again is the same row. */
export function distinctRows(dir: string): string[] {
  return [...new Set(ownRows(dir).map(rowText))].toSorted();
}

/** What routes see of each message of ours, in the order of the journal. */
export function ownFacts(dir: string): RouteFacts[] {
  return withJournal(dir, (journal) =>
    journal
      .read(1, journal.lastSeq, 1_000_000)
      .filter(({ source }) => source === ownSource)
      .map((message) => ownMessage(message))
      .filter(({ points }) => points.length > 0)
      .map(({ facts }) => facts),
  );
}

/** Table, tags and time: what InfluxDB tells rows apart by. */
export function rowKey({ table, tags, timeNs }: Point): string {
  return JSON.stringify([table, tags, String(timeNs)]);
}

/** A process from its start. */
export function start(t: TestContext, dir: string, options: LifeOptions = {}): Life {
  const { crashAt, perReadMs = 0, clock = new ManualClock(), deps = {} } = options;
  const journal = Journal.open(journalConfig(dir), systemClock, "boot-a");
  const state = State.open(dir, startMs);
  const log = new RecordingLog();
  const activity = new Wakeup();
  let steps = 0;
  let isDead = false;
  const step = (): void => {
    if (!isDead) steps += 1;
    if (steps === crashAt) isDead = true;
    if (isDead) throw new Crash();
  };
  const commit = journal.commit.bind(journal);
  journal.commit = (group) => {
    step();
    const stored = commit(group);
    step();
    return stored;
  };
  const committer = new Committer({
    journal,
    commitIntervalMs: 1,
    groupCount: () => 500,
    maxWaitingCount: 2000,
    clock: systemClock,
    log,
    committed: activity,
  });
  const submit: Committer["submit"] = (message, committed) => {
    step();
    committer.submit(message, committed);
  };
  const projector = new Projector({
    log: {
      get lastSeq() {
        return committer.lastSeq;
      },
      read(lo, hi, maxCount) {
        step();
        clock.advance(perReadMs);
        return committer.read(lo, hi, maxCount);
      },
      keepFrom(seq) {
        committer.keepFrom(seq);
      },
    },
    journalId: journal.id,
    store: {
      load: () => state.registry.load(),
      save(changes) {
        step();
        state.registry.save(changes);
        step();
      },
    },
    events: plainEvents,
    rows: new OwnRows({
      committer: { submit, isUnderPressure: false, relieved: committer.relieved },
      clock,
      clockWatch: { isTrusted: true },
    }),
    clockTrust: { mayRelease: true },
    offsetMs: () => undefined,
    settings,
    clock,
    logger: log,
    activity,
    ...deps,
  });
  const drain = new AbortController();
  const abort = new AbortController();
  const stopJournal = new AbortController();
  const project = projector.run(drain.signal, abort.signal);
  const commits = committer.run(stopJournal.signal);
  // Who stops it hears of it.
  for (const run of [project, commits]) run.catch(() => {});
  let isOpen = true;
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    journal.close();
    state.close();
  };
  const end = async (): Promise<void> => {
    drain.abort();
    const [projected] = await Promise.allSettled([project]);
    stopJournal.abort();
    const [committed] = await Promise.allSettled([commits]);
    close();
    for (const outcome of [projected, committed]) {
      if (outcome.status === "rejected") throw outcome.reason;
    }
  };
  const die = async (): Promise<void> => {
    isDead = true;
    abort.abort();
    await Promise.allSettled([end()]);
  };
  t.after(die);
  return {
    projector,
    committer,
    log,
    get steps() {
      return steps;
    },
    receive(messages) {
      for (const message of messages) committer.submit(message, () => {});
    },
    async idle() {
      // Between reading a message and submitting its row nothing is to be seen from here.
      const isBusy = (): boolean => !isDead && (projector.lag > 0 || committer.waitingCount > 0);
      for (let quiet = 0; quiet < 5; quiet += 1) {
        await turn();
        if (isBusy()) quiet = 0;
      }
    },
    stop: end,
    die,
  };
}

/** A process that projects everything there is and stops, or dies on the way. */
export async function live(t: TestContext, dir: string, options: LifeOptions = {}): Promise<Life> {
  const life = start(t, dir, options);
  await life.idle();
  if (options.crashAt !== undefined && life.steps >= options.crashAt) await life.die();
  else
    await life.stop().catch(async (error: unknown) => {
      if (!(error instanceof Crash)) throw error;
      await life.die();
    });
  return life;
}
