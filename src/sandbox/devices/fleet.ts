/**
 * A town of devices and gateways as one stream of MQTT messages in the order of time. Pure: the caller
 * says when it starts and asks for what is due next, so the same seed and start give the same bytes, and
 * hours can be played in a second.
 */
import { assert } from "../../lib/fault.ts";
import type { PublishedUplink } from "../ledger.ts";
import { Device } from "./device.ts";
import { applicationEventJson, gatewayOnlineJson, gatewayStatsJson } from "./encode-json.ts";
import { applicationEventProtobuf, gatewayOnlineProtobuf, gatewayStatsProtobuf } from "./encode-protobuf.ts";
import type { ApplicationEvent, DeviceInfo, GatewayStats, UplinkFrame } from "./event.ts";
import { leavesOf } from "./leaves.ts";
import { profiles } from "./profiles.ts";
import type { ApplicationName } from "./profiles.ts";
import { createGateways, createLinks, somewhere } from "./radio.ts";
import type { Gateway } from "./radio.ts";
import { Random } from "./random.ts";

/** Below this, two uplinks of one device could fall on the same time. */
export const shortestIntervalMs = 10;
export const mostDevices = 100_000;

const applications: Readonly<Record<ApplicationName, { id: string; encoding: "json" | "protobuf" }>> = {
  Buildings: { id: "7a1d8c4e-3c7b-4a52-9d0f-6b5e1f2a9c01", encoding: "json" },
  Utilities: { id: "7a1d8c4e-3c7b-4a52-9d0f-6b5e1f2a9c02", encoding: "protobuf" },
  Logistics: { id: "7a1d8c4e-3c7b-4a52-9d0f-6b5e1f2a9c03", encoding: "json" },
};
const tenant = { tenantId: "52f14cd4-c6f1-4fbd-8f87-4025e1d49242", tenantName: "Sandbox" };
const region = "eu868";
const sites = ["north", "harbour", "old-town"] as const;

export interface FleetOptions {
  readonly seed: number;
  readonly deviceCount: number;
  readonly gatewayCount?: number;
  /** Between two uplinks of a device; profiles multiply it. */
  readonly intervalMs: number;
  /** Wall clock, ms since 1970: the first messages are due from here. */
  readonly startMs: number;
}

export interface OutgoingMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
  /** What a judge has to find in the database; only uplinks have it. */
  readonly uplink: PublishedUplink | undefined;
}

/** Something that sends by itself. */
interface Sender {
  readonly nextAtMs: number;
  step(): OutgoingMessage[];
}

export class Fleet {
  readonly devices: readonly DeviceInfo[];
  readonly #senders: readonly Sender[];

  constructor(options: FleetOptions) {
    assert(options.intervalMs >= shortestIntervalMs, "the interval is long enough");
    assert(options.deviceCount >= 1 && options.deviceCount <= mostDevices, "the fleet has a sane size");
    const town = new Random(options.seed, 0);
    const gateways = createGateways(town, options.gatewayCount ?? 4).map(
      (gateway, index) => new GatewaySender(gateway, index, options),
    );
    const devices = Array.from({ length: options.deviceCount }, (_, index) =>
      createDevice(
        options,
        gateways.map((sender) => sender.gateway),
        index,
      ),
    );
    this.devices = devices.map((device) => device.info);
    this.#senders = [...gateways, ...devices.map((device) => new DeviceSender(device, gateways))];
  }

  /** When the next `step` is due, ms since 1970. Never goes back. */
  get nextAtMs(): number {
    return this.#next().nextAtMs;
  }

  /** What is sent at `nextAtMs`; empty when that transmission was lost on the air. */
  step(): OutgoingMessage[] {
    return this.#next().step();
  }

  /** A scan is enough: a few thousand senders cost microseconds beside encoding and publishing. */
  #next(): Sender {
    let next = this.#senders[0];
    for (const sender of this.#senders) {
      if (next === undefined || sender.nextAtMs < next.nextAtMs) next = sender;
    }
    assert(next !== undefined, "a fleet has senders");
    return next;
  }
}

function createDevice(options: FleetOptions, gateways: readonly Gateway[], index: number): Device {
  // Who and where it is follows the seed alone; what happens to it also follows the start, so that a
  // sandbox that is started again has the same devices and never an old deduplication id.
  const identity = new Random(options.seed, 1000 + index);
  const life = new Random((options.seed ^ options.startMs) | 0, 1000 + index);
  const profile = profiles[index % profiles.length];
  assert(profile !== undefined, "there are profiles");
  const application = applications[profile.application];
  const at = somewhere(identity, 4);
  const number = String(Math.floor(index / profiles.length) + 1).padStart(3, "0");
  return new Device({
    info: {
      ...tenant,
      applicationId: application.id,
      applicationName: profile.application,
      deviceProfileId: `b6f0b2a4-1111-4c8e-8d52-00000000000${profiles.indexOf(profile)}`,
      deviceProfileName: profile.name,
      deviceName: `${profile.name.toLowerCase().replaceAll(" ", "-")}-${number}`,
      devEui: `24e124${identity.hex(3)}${index.toString(16).padStart(4, "0")}`,
      tags: {
        site: sites[identity.integer(0, sites.length - 1)] ?? sites[0],
        power: profile.name === "People counter" ? "mains" : "battery",
      },
    },
    encoding: application.encoding,
    intervalMs: options.intervalMs * profile.intervalFactor,
    links: createLinks(identity, at, gateways),
    sensor: profile.createSensor(life, at),
    random: life,
    startMs: options.startMs,
  });
}

class DeviceSender implements Sender {
  readonly #device: Device;
  readonly #gateways: readonly GatewaySender[];

  constructor(device: Device, gateways: readonly GatewaySender[]) {
    this.#device = device;
    this.#gateways = gateways;
  }

  get nextAtMs(): number {
    return this.#device.nextAtMs;
  }

  step(): OutgoingMessage[] {
    const { info, encoding } = this.#device;
    return this.#device.step().map((event) => {
      if (event.kind === "up") for (const gateway of this.#gateways) gateway.count(event);
      return {
        topic: `application/${info.applicationId}/device/${info.devEui}/event/${event.kind}`,
        payload: encoding === "json" ? applicationEventJson(event) : applicationEventProtobuf(event),
        retain: false,
        uplink: factsOf(event),
      };
    });
  }
}

/** Says once, retained, that it is online, and then its statistics every ten intervals. */
class GatewaySender implements Sender {
  readonly gateway: Gateway;
  readonly #everyMs: number;
  readonly #isJson: boolean;
  readonly #perFrequencyHz = new Map<number, number>();
  #nextAtMs: number;
  #announced = false;

  constructor(gateway: Gateway, index: number, options: FleetOptions) {
    this.gateway = gateway;
    this.#everyMs = 10 * options.intervalMs;
    // Forwarders speak protobuf unless they are being debugged.
    this.#isJson = index % 4 === 3;
    this.#nextAtMs = options.startMs;
  }

  get nextAtMs(): number {
    return this.#nextAtMs;
  }

  count(frame: UplinkFrame): void {
    if (!frame.rxInfo.some((info) => info.gatewayId === this.gateway.gatewayId)) return;
    this.#perFrequencyHz.set(frame.frequencyHz, (this.#perFrequencyHz.get(frame.frequencyHz) ?? 0) + 1);
  }

  step(): OutgoingMessage[] {
    const atMs = this.#nextAtMs;
    this.#nextAtMs += this.#everyMs;
    const { gatewayId } = this.gateway;
    const topic = `${region}/gateway/${gatewayId}`;
    if (!this.#announced) {
      this.#announced = true;
      const payload = this.#isJson ? gatewayOnlineJson(gatewayId) : gatewayOnlineProtobuf(gatewayId);
      return [{ topic: `${topic}/state/conn`, payload, retain: true, uplink: undefined }];
    }
    const stats = this.#takeStats(atMs);
    const payload = this.#isJson ? gatewayStatsJson(stats) : gatewayStatsProtobuf(stats);
    return [{ topic: `${topic}/event/stats`, payload, retain: false, uplink: undefined }];
  }

  #takeStats(atMs: number): GatewayStats {
    const perFrequencyHz = new Map(this.#perFrequencyHz);
    this.#perFrequencyHz.clear();
    const heard = [...perFrequencyHz.values()].reduce((sum, count) => sum + count, 0);
    return {
      gatewayId: this.gateway.gatewayId,
      timeNs: BigInt(Math.floor(atMs)) * 1_000_000n,
      location: this.gateway.clock === "gps" ? this.gateway.location : undefined,
      // Some of what the antenna hears is noise or another network's.
      rxPackets: heard + Math.ceil(heard / 7),
      rxPacketsOk: heard,
      rxPacketsPerFrequencyHz: perFrequencyHz,
      metadata: { name: this.gateway.name },
    };
  }
}

function factsOf(event: ApplicationEvent): PublishedUplink | undefined {
  if (event.kind !== "up") return undefined;
  return {
    deduplicationId: event.deduplicationId,
    applicationId: event.device.applicationId,
    devEui: event.device.devEui,
    profileName: event.device.deviceProfileName,
    timeNs: event.timeNs,
    fCnt: event.fCnt,
    fPort: event.fPort,
    dr: event.dr,
    spreadingFactor: event.spreadingFactor,
    receptions: event.rxInfo.map(({ gatewayId, rssiDbm, snrDb }) => ({ gatewayId, rssiDbm, snrDb })),
    leaves: event.object === undefined ? new Map() : leavesOf(event.object),
  };
}
