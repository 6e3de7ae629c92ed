/**
 * The same events as ChirpStack publishes them with `json = false`. Uplinks go through the generated
 * schema; the few fields of the other events are written tag by tag, with the numbers of ChirpStack's
 * integration and gateway messages. proto3: a zero is not written.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { DurationSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
import { LocationSchema, LocationSource } from "../../proto/common/common_pb.js";
import type { Location } from "../../proto/common/common_pb.js";
import {
  CodeRate,
  CRCStatus,
  LoraModulationInfoSchema,
  ModulationSchema,
  UplinkRxInfoSchema,
  UplinkTxInfoSchema,
} from "../../proto/gw/gw_pb.js";
import type { UplinkRxInfo } from "../../proto/gw/gw_pb.js";
import { DeviceInfoSchema, UplinkEventSchema } from "../../proto/integration/integration_pb.js";
import { regionConfigId } from "./encode-json.ts";
import type {
  ApplicationEvent,
  GatewayLocation,
  GatewayStats,
  LogEvent,
  RxInfo,
  UplinkFrame,
} from "./event.ts";

/** The numbers of integration.LogLevel and integration.LogCode. */
const logLevels: Readonly<Record<LogEvent["level"], number>> = { WARNING: 1, ERROR: 2 };
const logCodes: Readonly<Record<LogEvent["code"], number>> = {
  UPLINK_CODEC: 2,
  UPLINK_F_CNT_RETRANSMISSION: 7,
};

const connectionOnline = 1;

export function applicationEventProtobuf(event: ApplicationEvent): Uint8Array {
  if (event.kind === "up") return uplink(event);
  const message = new Message();
  const time = toBinary(TimestampSchema, timestamp(event.timeNs));
  const device = toBinary(DeviceInfoSchema, create(DeviceInfoSchema, { ...event.device }));
  if (event.kind === "log") {
    message.bytes(1, time).bytes(2, device).number(3, logLevels[event.level]).number(4, logCodes[event.code]);
    message.text(5, event.description).textMap(6, { deduplication_id: event.deduplicationId });
    return message.finish();
  }
  if (event.kind === "txack") {
    message.number(1, event.downlinkId).bytes(2, time).bytes(3, device).text(4, event.queueItemId);
    return message.number(5, event.fCntDown).text(6, event.gatewayId).finish();
  }
  message.text(1, event.deduplicationId).bytes(2, time).bytes(3, device);
  if (event.kind === "join") message.text(4, event.devAddr).text(7, regionConfigId);
  if (event.kind === "status") {
    message.number(5, event.marginDb).number(6, Number(event.externalPowerSource));
    message.float(8, event.batteryPercent);
  }
  if (event.kind === "ack") {
    message.text(4, event.queueItemId).number(5, Number(event.acknowledged)).number(6, event.fCntDown);
  }
  return message.finish();
}

export function gatewayStatsProtobuf(stats: GatewayStats): Uint8Array {
  const message = new Message();
  message.bytes(2, toBinary(TimestampSchema, timestamp(stats.timeNs)));
  if (stats.location !== undefined) message.bytes(3, toBinary(LocationSchema, location(stats.location)));
  message.number(5, stats.rxPackets).number(6, stats.rxPacketsOk).textMap(10, stats.metadata);
  for (const [frequencyHz, count] of stats.rxPacketsPerFrequencyHz) {
    message.bytes(13, new Message().number(1, frequencyHz).number(2, count).finish());
  }
  return message.text(17, stats.gatewayId).finish();
}

export function gatewayOnlineProtobuf(gatewayId: string): Uint8Array {
  return new Message().number(2, connectionOnline).text(3, gatewayId).finish();
}

function uplink(event: UplinkFrame): Uint8Array {
  const message = create(UplinkEventSchema, {
    deduplicationId: event.deduplicationId,
    time: timestamp(event.timeNs),
    deviceInfo: create(DeviceInfoSchema, { ...event.device }),
    devAddr: event.devAddr,
    adr: true,
    dr: event.dr,
    fCnt: event.fCnt,
    fPort: event.fPort,
    confirmed: event.confirmed,
    data: event.data,
    object: event.object,
    rxInfo: event.rxInfo.map(rxInfo),
    txInfo: create(UplinkTxInfoSchema, {
      frequency: event.frequencyHz,
      modulation: create(ModulationSchema, {
        parameters: {
          case: "lora",
          value: create(LoraModulationInfoSchema, {
            bandwidth: 125_000,
            spreadingFactor: event.spreadingFactor,
            codeRate: CodeRate.CR_4_5,
          }),
        },
      }),
    }),
    regionConfigId,
  });
  return toBinary(UplinkEventSchema, message);
}

function rxInfo(info: RxInfo): UplinkRxInfo {
  return create(UplinkRxInfoSchema, {
    gatewayId: info.gatewayId,
    uplinkId: info.uplinkId,
    gwTime: info.gwTimeNs === undefined ? undefined : timestamp(info.gwTimeNs),
    nsTime: timestamp(info.nsTimeNs),
    timeSinceGpsEpoch: info.sinceGpsEpochNs === undefined ? undefined : duration(info.sinceGpsEpochNs),
    rssi: info.rssiDbm,
    snr: info.snrDb,
    channel: info.channel,
    rfChain: info.rfChain,
    location: info.location === undefined ? create(LocationSchema) : location(info.location),
    context: info.context,
    crcStatus: CRCStatus.CRC_OK,
  });
}

function location(place: GatewayLocation): Location {
  return create(LocationSchema, { ...place, source: LocationSource.GPS });
}

function timestamp(timeNs: bigint): Timestamp {
  return create(TimestampSchema, secondsAndNanos(timeNs));
}

function duration(lengthNs: bigint): Duration {
  return create(DurationSchema, secondsAndNanos(lengthNs));
}

function secondsAndNanos(timeNs: bigint): { seconds: bigint; nanos: number } {
  return { seconds: timeNs / 1_000_000_000n, nanos: Number(timeNs % 1_000_000_000n) };
}

/** Writes fields in the order that it is told; zeros and empty texts are left out. */
class Message {
  readonly #writer = new BinaryWriter();

  number(field: number, value: number): this {
    if (value !== 0) this.#writer.tag(field, WireType.Varint).int32(value);
    return this;
  }

  float(field: number, value: number): this {
    if (value !== 0) this.#writer.tag(field, WireType.Bit32).float(value);
    return this;
  }

  text(field: number, value: string): this {
    if (value !== "") this.#writer.tag(field, WireType.LengthDelimited).string(value);
    return this;
  }

  /** Bytes, or a message that is bytes already. */
  bytes(field: number, value: Uint8Array): this {
    this.#writer.tag(field, WireType.LengthDelimited).bytes(value);
    return this;
  }

  textMap(field: number, entries: Readonly<Record<string, string>>): this {
    for (const [key, value] of Object.entries(entries)) {
      this.bytes(field, new Message().text(1, key).text(2, value).finish());
    }
    return this;
  }

  finish(): Uint8Array {
    return this.#writer.finish();
  }
}
