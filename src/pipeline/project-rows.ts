import type { IncomingMessage } from "../journal/message.ts";
import type { Clock } from "../lib/clock.ts";
import { Wakeup } from "../lib/wakeup.ts";
import { type Beat, idleWaitMs } from "../lib/pulse.ts";
import type { Point } from "../telemetry/point.ts";
import { type OwnMessage, ownSource, ownTopic, packOwn } from "./own-message.ts";
import type { RouteFacts } from "./route.ts";

/** The group commit, as far as it is needed to put rows of our own into the journal. */
export interface RowIntake {
  submit(message: IncomingMessage, committed: () => void): void;
  readonly isUnderPressure: boolean;
  readonly relieved: Wakeup;
}

export interface OwnRowsDeps {
  readonly committer: RowIntake;
  readonly clock: Clock;
  readonly clockWatch: { readonly isTrusted: boolean };
}

/** Messages of ours that may wait for their commit. */
const maxWaiting = 16;
/** Some 30 KiB. */
const maxPointsPerMessage = 50;

/** Our own rows on their way into the journal: few at a time, and none while it is under pressure. */
export class OwnRows {
  readonly #deps: OwnRowsDeps;
  readonly #committed = new Wakeup();
  #waitingCount = 0;

  constructor(deps: OwnRowsDeps) {
    this.#deps = deps;
  }

  /** Waits until there is room for another one. False: aborted before there was. */
  async admitted(signal: AbortSignal, beat: Beat | undefined): Promise<boolean> {
    const { committer } = this.#deps;
    for (;;) {
      beat?.();
      const { version } = this.#committed;
      const { version: relievedVersion } = committer.relieved;
      const isCrowded = this.#waitingCount >= maxWaiting;
      if (!isCrowded && !committer.isUnderPressure) return true;
      if (signal.aborted) return false;
      if (isCrowded) await this.#committed.changedSince(version, signal, idleWaitMs(beat));
      else await committer.relieved.changedSince(relievedVersion, signal, idleWaitMs(beat));
    }
  }

  submit(own: OwnMessage): void {
    const { committer, clock, clockWatch } = this.#deps;
    const message: IncomingMessage = {
      source: ownSource,
      topic: ownTopic,
      payload: packOwn(own),
      receivedMs: clock.nowMs(),
      uptimeMs: clock.uptimeMs(),
      clockTrusted: clockWatch.isTrusted,
      duplicate: false,
      retained: false,
      qos: 1,
    };
    this.#waitingCount += 1;
    committer.submit(message, () => {
      this.#waitingCount -= 1;
      this.#committed.notify();
    });
  }

  /** Waits until everything submitted is durable. False: aborted before it was. */
  async allCommitted(signal: AbortSignal, beat: Beat | undefined): Promise<boolean> {
    while (this.#waitingCount > 0 && !signal.aborted) {
      beat?.();
      await this.#committed.changedSince(this.#committed.version, signal, idleWaitMs(beat));
    }
    return this.#waitingCount === 0;
  }
}

export interface RoutedPoint {
  readonly point: Point;
  readonly facts: RouteFacts;
}

/** Rows that go the same way travel together, in the order given. */
export function messagesOf(rows: readonly RoutedPoint[]): OwnMessage[] {
  const open = new Map<string, { readonly points: Point[]; readonly facts: RouteFacts }>();
  const messages: OwnMessage[] = [];
  for (const { point, facts } of rows) {
    const { source, tenantId, tenantName, applicationId, applicationName } = facts;
    const key = JSON.stringify([source, tenantId, tenantName, applicationId, applicationName]);
    let message = open.get(key);
    if (message === undefined || message.points.length >= maxPointsPerMessage) {
      message = { points: [], facts };
      open.set(key, message);
      messages.push(message);
    }
    message.points.push(point);
  }
  return messages;
}
