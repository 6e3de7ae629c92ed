/**
 * ChirpStack v4's JSON: proto3 JSON in camelCase with the quirks of its serialiser.
 *
 * - Messages of the package `integration` say every scalar, also the zeros; unset messages are left out.
 * - Messages of `gw` and `common` (rxInfo, txInfo, location, gateway statistics) leave out every zero,
 *   empty text and empty map: a missing `channel` is channel 0, and an SNR of 0 is not there at all.
 * - Times are RFC 3339 with `+00:00` and 0, 3, 6 or 9 digits; durations are seconds with an `s`.
 * - Enumerations are names, bytes are base64 with padding.
 */
import type {
  ApplicationEvent,
  CodecValue,
  DeviceInfo,
  GatewayLocation,
  GatewayStats,
  LogEvent,
  RxInfo,
  StatusEvent,
  TxAckEvent,
  UplinkFrame,
} from "./event.ts";

export const regionConfigId = "eu868";

type Json = { [key: string]: CodecValue };

export function applicationEventJson(event: ApplicationEvent): Buffer {
  return bytes(applicationEvent(event));
}

export function gatewayStatsJson(stats: GatewayStats): Buffer {
  return bytes(
    withoutZeros({
      gatewayId: stats.gatewayId,
      time: timestamp(stats.timeNs),
      location: stats.location === undefined ? null : gatewayLocation(stats.location),
      rxPacketsReceived: stats.rxPackets,
      rxPacketsReceivedOk: stats.rxPacketsOk,
      rxPacketsPerFrequency: Object.fromEntries(stats.rxPacketsPerFrequencyHz),
      metadata: { ...stats.metadata },
    }),
  );
}

export function gatewayOnlineJson(gatewayId: string): Buffer {
  return bytes({ gatewayId, state: "ONLINE" });
}

function applicationEvent(event: ApplicationEvent): Json {
  const head = { time: timestamp(event.timeNs), deviceInfo: deviceInfo(event.device) };
  if (event.kind === "log") return { ...head, ...log(event) };
  if (event.kind === "txack") return { downlinkId: event.downlinkId, ...head, ...downlink(event) };
  const { deduplicationId } = event;
  switch (event.kind) {
    case "up":
      return { deduplicationId, ...head, ...uplink(event) };
    case "join":
      return { deduplicationId, ...head, devAddr: event.devAddr, regionConfigId };
    case "ack": {
      const { queueItemId, acknowledged, fCntDown } = event;
      return { deduplicationId, ...head, queueItemId, acknowledged, fCntDown };
    }
    default:
      return { deduplicationId, ...head, ...status(event) };
  }
}

function log(event: LogEvent): Json {
  const { level, code, description } = event;
  // Keys of a map are not put into camelCase.
  return { level, code, description, context: { deduplication_id: event.deduplicationId } };
}

function status(event: StatusEvent): Json {
  return {
    margin: event.marginDb,
    externalPowerSource: event.externalPowerSource,
    batteryLevelUnavailable: false,
    batteryLevel: shortestFloat32(event.batteryPercent),
  };
}

function uplink(event: UplinkFrame): Json {
  return {
    devAddr: event.devAddr,
    adr: true,
    dr: event.dr,
    fCnt: event.fCnt,
    fPort: event.fPort,
    confirmed: event.confirmed,
    data: base64(event.data),
    ...(event.object === undefined ? {} : { object: event.object }),
    rxInfo: event.rxInfo.map(rxInfo),
    txInfo: withoutZeros({
      frequency: event.frequencyHz,
      modulation: { lora: lora(event.spreadingFactor) },
    }),
    regionConfigId,
  };
}

function rxInfo(info: RxInfo): Json {
  return withoutZeros({
    gatewayId: info.gatewayId,
    uplinkId: info.uplinkId,
    gwTime: info.gwTimeNs === undefined ? null : timestamp(info.gwTimeNs),
    nsTime: timestamp(info.nsTimeNs),
    timeSinceGpsEpoch: info.sinceGpsEpochNs === undefined ? null : duration(info.sinceGpsEpochNs),
    rssi: info.rssiDbm,
    snr: shortestFloat32(info.snrDb),
    channel: info.channel,
    rfChain: info.rfChain,
    // ChirpStack always sets this message, an empty one where it knows no place.
    location: info.location === undefined ? {} : gatewayLocation(info.location),
    context: base64(info.context),
    crcStatus: "CRC_OK",
  });
}

function downlink(event: TxAckEvent): Json {
  return {
    queueItemId: event.queueItemId,
    fCntDown: event.fCntDown,
    gatewayId: event.gatewayId,
    txInfo: {
      frequency: 869_525_000,
      power: 16,
      modulation: { lora: { ...lora(9), polarizationInversion: true } },
      timing: { delay: { delay: "1s" } },
    },
  };
}

function lora(spreadingFactor: number): Json {
  return { bandwidth: 125_000, spreadingFactor, codeRate: "CR_4_5" };
}

function gatewayLocation(location: GatewayLocation): Json {
  return withoutZeros({ ...location, source: "GPS" });
}

function deviceInfo(device: DeviceInfo): Json {
  return {
    tenantId: device.tenantId,
    tenantName: device.tenantName,
    applicationId: device.applicationId,
    applicationName: device.applicationName,
    deviceProfileId: device.deviceProfileId,
    deviceProfileName: device.deviceProfileName,
    deviceName: device.deviceName,
    devEui: device.devEui,
    deviceClassEnabled: "CLASS_A",
    tags: { ...device.tags },
  };
}

/** Drops what proto3 JSON without defaults drops; `null` stands for an unset message. */
function withoutZeros(fields: Json): Json {
  return Object.fromEntries(
    Object.entries(fields).filter(([name, value]) => {
      if (value === null || value === 0 || value === "" || value === false) return false;
      // An empty map vanishes, an empty message that was set stays.
      const isMap = name === "metadata" || name === "rxPacketsPerFrequency";
      return !(isMap && Object.keys(value).length === 0);
    }),
  );
}

function timestamp(timeNs: bigint): string {
  const seconds = new Date(Number(timeNs / 1_000_000n)).toISOString().slice(0, 19);
  return `${seconds}${fraction(timeNs % 1_000_000_000n)}+00:00`;
}

function duration(lengthNs: bigint): string {
  return `${lengthNs / 1_000_000_000n}${fraction(lengthNs % 1_000_000_000n)}s`;
}

function fraction(nanoseconds: bigint): string {
  if (nanoseconds === 0n) return "";
  const digits = String(nanoseconds).padStart(9, "0");
  if (digits.endsWith("000000")) return `.${digits.slice(0, 3)}`;
  return digits.endsWith("000") ? `.${digits.slice(0, 6)}` : `.${digits}`;
}

/** ChirpStack prints a 32-bit float with the fewest digits that read back as the same 32-bit float. */
function shortestFloat32(value: number): number {
  for (let digits = 1; digits < 9; digits += 1) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === Math.fround(value)) return candidate;
  }
  return value;
}

function base64(data: Uint8Array): string {
  return Buffer.from(data).toString("base64");
}

function bytes(value: Json): Buffer {
  return Buffer.from(JSON.stringify(value));
}
