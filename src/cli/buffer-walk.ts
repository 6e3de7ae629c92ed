/**
 * Rows of the buffer, one after the other, as they were chosen. Whose a message is that nobody has decoded is found
 * out here, and not in the daemon: a message that kills its decoder kills this command, and says so.
 */
import { decode } from "../chirpstack/decode.ts";
import { type Event, isDeviceEvent } from "../chirpstack/event.ts";
import { hasGpsTime } from "../chirpstack/time.ts";
import { unpackFlags } from "../journal/message.ts";
import { ownSource } from "../pipeline/own-message.ts";
import type { BufferKind, BufferRow, RowWait } from "../status/buffer-wire.ts";
import type { Access } from "./buffer-access.ts";
import type { Selection } from "./buffer-arguments.ts";

export interface WalkedRow {
  readonly kind: BufferKind;
  readonly row: BufferRow;
  /** EUI; undefined where there is none, and where it was not looked for. */
  readonly device: string | undefined;
  /** What a pending message waits for, as far as that is known or was looked for. */
  readonly wait?: RowWait | undefined;
}

export interface Walk {
  readonly kind: BufferKind;
  readonly after: number;
  /** The last key that may come. */
  readonly upTo?: number | undefined;
  readonly device?: string | undefined;
  readonly code?: string | undefined;
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
  /** With payloads; they are fetched, too, where devices are looked for in them. */
  readonly content: boolean;
  /** Devices are wanted even where none was chosen. */
  readonly withDevice: boolean;
  /** About so many rows will be taken. */
  readonly count: number;
}

/** Of one kind, in the order of keys. */
export async function* walk(buffer: Access["buffer"], asked: Walk): AsyncGenerator<WalkedRow> {
  const { kind, device, code, sinceMs, untilMs, upTo = Infinity } = asked;
  const isDecoded = kind === "pending" || kind === "settled";
  const content = asked.content || (isDecoded && (device !== undefined || asked.withDevice));
  const query = { kind, code, sinceMs, untilMs, content, count: Math.min(asked.count, 500) };
  const ofDevice = kind === "dead" ? { device } : {};
  for (let after: number | undefined = asked.after; after !== undefined;) {
    const page = await buffer.page({ ...query, ...ofDevice, after });
    for (const row of page.rows) {
      if (row.key > upTo) return;
      const { device: found, wait } = factsOf(row);
      if (device === undefined || found === device) yield { kind, row, device: found, wait };
    }
    after = page.next;
  }
}

/** The rows with these keys, those that are there. */
export async function* walkKeys(
  buffer: Access["buffer"],
  { keys }: Selection,
  content: boolean,
): AsyncGenerator<WalkedRow> {
  for (const { kind, key } of keys) {
    const { rows } = await buffer.page({ kind, after: key - 1, count: 1, content });
    const [row] = rows;
    if (row?.key === key) yield { kind, row, ...factsOf(row) };
  }
}

type Facts = Pick<WalkedRow, "device" | "wait">;

function factsOf(row: BufferRow): Facts {
  const { aside, source, topic, payload, wait } = row;
  if (aside?.letter !== undefined) return { device: aside.letter.device, wait };
  // What could not be decoded tells by its topic alone.
  if (aside !== undefined) return { device: deviceOfTopic(topic), wait };
  if (source === ownSource || payload === undefined) return { device: undefined, wait };
  const event = decode(topic, payload);
  if (!event.ok) return { device: deviceOfTopic(topic), wait };
  const device = isDeviceEvent(event.value) ? event.value.device.devEui : undefined;
  return { device, wait: waitsForClock(row, event.value) ? clockWait : wait };
}

const clockWait: RowWait = {
  code: "clock_untrusted",
  reason: "its time cannot be told before the clock is right",
  sinceMs: undefined,
};

/** As the daemon has it: its time rests on a clock of which it is not known yet how wrong it was. */
export function waitsForClock({ flags, isTimeDecided }: BufferRow, event: Event): boolean {
  if (unpackFlags(flags).clockTrusted || isTimeDecided) return false;
  switch (event.kind) {
    // They make no row that has their time.
    case "unmapped":
    case "gateway/stats":
    case "gateway/conn":
      return false;
    default:
      return !hasGpsTime(event);
  }
}

/** ChirpStack's topics: `application/ID/device/EUI/event/up`. For looking it up only: rows go by the payload. */
function deviceOfTopic(topic: string): string | undefined {
  return /\/device\/([0-9a-f]{16})\//i.exec(topic)?.[1]?.toLowerCase();
}
