/** Uplinks of a simulated fleet, all made at once: JSON and protobuf, five profiles, several gateways. */
import { Fleet } from "../../src/sandbox/devices/fleet.ts";
import type { Ledger, PublishedUplink } from "../../src/sandbox/ledger.ts";
import { publishAll } from "./publisher.ts";
import type { Message, PublishOptions, PublishReport } from "./publisher.ts";

export interface UplinkMessage extends Message {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly uplink: PublishedUplink;
}

export interface UplinksOptions {
  readonly count: number;
  readonly seed: number;
  readonly devices?: number;
}

/** The same seed gives the same devices. Their times lie in the last hour, so that each is believable. */
export function makeUplinks({ count, seed, devices = 200 }: UplinksOptions): UplinkMessage[] {
  const startMs = Date.now() - 3_600_000;
  const fleet = new Fleet({ seed, deviceCount: devices, intervalMs: 1000, startMs });
  const made: UplinkMessage[] = [];
  while (made.length < count) {
    for (const { topic, payload, uplink } of fleet.step()) {
      if (uplink !== undefined) made.push({ topic, payload, uplink });
    }
  }
  if (fleet.nextAtMs > Date.now()) throw new Error("too many uplinks for an hour of so few devices");
  return made.slice(0, count);
}

/** Publishes them and enters them into the ledger: published before they go out, owed with their PUBACK. */
export async function publishUplinks(
  ledger: Ledger,
  options: PublishOptions<UplinkMessage>,
): Promise<PublishReport<UplinkMessage>> {
  return await publishAll({
    ...options,
    onPublish: ({ uplink }) => {
      ledger.published(uplink);
    },
    onAcknowledged: ({ uplink }) => {
      ledger.acknowledged(uplink.deduplicationId);
    },
  });
}
