import { maxPayloadBytes } from "../chirpstack/decode.ts";
import type { Clock } from "../lib/clock.ts";
import type { Wakeup } from "../lib/wakeup.ts";
import type { IncomingMessage } from "../journal/message.ts";
import type { Counters } from "./counters.ts";

/**
 * What is kept of a payload: more than any event may have, so that it is quarantined as too large, and
 * little enough that a message always fits into the smallest journal. MQTT allows 256 MiB, and a message
 * that the journal cannot hold would keep all after it waiting for ever.
 */
const maxKeptBytes = maxPayloadBytes + 1024;

/** What a source hands over. */
interface Delivery {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly duplicate: boolean;
  readonly retained: boolean;
  /** Sends the PUBACK; undefined at QoS 0. */
  readonly acknowledge: (() => void) | undefined;
}

interface GroupCommit {
  submit(message: IncomingMessage, committed: () => void): void;
  readonly isUnderPressure: boolean;
  readonly relieved: Wakeup;
}

export interface IngestDeps {
  readonly source: string;
  readonly committer: GroupCommit;
  readonly clock: Clock;
  readonly clockWatch: { readonly isTrusted: boolean };
  readonly counters: Counters;
}

export interface Ingest {
  deliver(delivery: Delivery): void;
  pressure(): Promise<void> | undefined;
}

/** From a source into the journal, and back to it as a PUBACK once that has committed. */
export function ingest(deps: IngestDeps): Ingest {
  const { committer, counters } = deps;
  return {
    deliver(delivery) {
      counters.received += 1;
      if (delivery.qos === 0) counters.receivedQos0 += 1;
      committer.submit(stamp(delivery, deps), () => {
        counters.committed += 1;
        if (delivery.acknowledge === undefined) return;
        delivery.acknowledge();
        counters.acknowledged += 1;
      });
    },
    pressure() {
      return committer.isUnderPressure ? relief(committer) : undefined;
    },
  };
}

function stamp(delivery: Delivery, { source, clock, clockWatch }: IngestDeps): IncomingMessage {
  const { topic, payload, qos, duplicate, retained } = delivery;
  return {
    source,
    topic,
    // A copy of the part: a view would keep the whole in memory.
    payload: payload.length > maxKeptBytes ? Uint8Array.from(payload.subarray(0, maxKeptBytes)) : payload,
    receivedMs: clock.nowMs(),
    uptimeMs: clock.uptimeMs(),
    clockTrusted: clockWatch.isTrusted,
    duplicate,
    retained,
    qos,
  };
}

/** Nothing aborts this wait: a source that stops does not look at it any more. */
const never = new AbortController().signal;

async function relief(committer: GroupCommit): Promise<void> {
  while (committer.isUnderPressure) await committer.relieved.changedSince(committer.relieved.version, never);
}
