/** What a running daemon lets `flightline buffer` see and do. */
import type { Committer } from "../journal/committer.ts";
import { systemClock as clock } from "../lib/clock.ts";
import type { Fault } from "../lib/fault.ts";
import type { RowWait } from "../status/buffer-wire.ts";
import { MessageBuffer } from "./buffer.ts";
import { journalSize } from "./buffer-files.ts";
import type { Delivery } from "./delivery.ts";
import type { Files } from "./files.ts";
import type { AppOptions } from "./options.ts";

/** Under which messages are quarantined that have killed the process twice: `sparing` keeps them from the decoder. */
export const killerCode = "decode_killed_process";

interface Rest {
  readonly committer: Committer;
  /** As of the last reload. */
  readonly delivery: () => Pick<Delivery, "destinations">;
  readonly isEnding: () => boolean;
}

/**
 * What nothing gets past, whichever database it is for: where only some of them take no writes, whose a message is
 * tells its content alone.
 */
function waitForAll(troubles: readonly (Fault | undefined)[]): RowWait | undefined {
  const [first] = troubles;
  if (first === undefined || troubles.includes(undefined)) return undefined;
  return { code: first.code, reason: first.message, sinceMs: undefined };
}

export function openBuffer(
  { config, log }: AppOptions,
  { journal, state }: Files,
  { committer, delivery, isEnding }: Rest,
): MessageBuffer {
  return new MessageBuffer({
    journal,
    committer,
    state,
    journalSize: () => journalSize(config.journal),
    waitOf: () => waitForAll(delivery().destinations.map(({ forward }) => forward.trouble)),
    tryAgain: (intervals) => {
      for (const { forward } of delivery().destinations) forward.tryAgain(intervals);
    },
    spared: new Set([killerCode]),
    isEnding,
    clock,
    logger: log,
  });
}
