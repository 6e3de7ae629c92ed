/**
 * The rows that a published uplink has to be in InfluxDB, every column of them, worked out from docs/tables.md and
 * from the bytes that were published. Shares nothing with `telemetry` and `chirpstack`, so that it cannot share
 * their mistakes.
 */
import { fromBinary, toJson } from "@bufbuild/protobuf";
import { UplinkEventSchema } from "../../src/proto/integration/integration_pb.js";
import type { PublishedUplink } from "../../src/sandbox/ledger.ts";
import type { UplinkMessage } from "./fleet-uplinks.ts";

export type Cell = string | number | boolean;

export interface ExpectedRow {
  readonly table: string;
  /** Of the row: one table, device, gateway and time. */
  readonly key: string;
  /** Without the time, which is in the key. */
  readonly cells: Readonly<Record<string, Cell | undefined>>;
}

/** ChirpStack's event as JSON, as far as the devices of the sandbox fill it. */
interface Event {
  readonly deviceInfo: Readonly<Record<string, string>>;
  readonly devAddr: string;
  readonly adr?: boolean;
  readonly confirmed?: boolean;
  /** base64; a frame may have none. */
  readonly data?: string;
  readonly regionConfigId: string;
  readonly rxInfo: readonly Reception[];
  readonly txInfo: { readonly frequency: number; readonly modulation: { readonly lora: Lora } };
}

interface Reception {
  readonly gatewayId: string;
  readonly rssi: number;
  /** proto3 leaves out a zero, of these and of the next. */
  readonly snr?: number;
  readonly channel?: number;
  readonly gwTime?: string;
  readonly nsTime?: string;
  readonly location?: { readonly latitude?: number; readonly longitude?: number; readonly altitude?: number };
}

interface Lora {
  readonly bandwidth: number;
  readonly spreadingFactor: number;
  readonly codeRate: string;
}

export function rowKey(table: string, devEui: string, gatewayId: string | undefined, timeNs: bigint): string {
  return `${table} ${devEui} ${gatewayId ?? ""} ${timeNs}`;
}

export function expectedRows({ payload, uplink }: UplinkMessage): ExpectedRow[] {
  const event = eventOf(payload);
  const row = (table: string, cells: ExpectedRow["cells"], gatewayId?: string): ExpectedRow => ({
    table,
    key: rowKey(table, uplink.devEui, gatewayId, uplink.timeNs),
    cells: { dev_eui: uplink.devEui, application_id: uplink.applicationId, ...cells },
  });
  const telemetry = {
    device_name: event.deviceInfo["deviceName"],
    f_cnt: uplink.fCnt,
    f_port: uplink.fPort,
    ...Object.fromEntries(uplink.leaves),
  };
  return [
    row("uplink", uplinkCells(event, uplink)),
    ...event.rxInfo.map((rx) => row("uplink_rx", receptionCells(event, rx, uplink), rx.gatewayId)),
    ...(uplink.leaves.size === 0 ? [] : [row(telemetryTable(uplink.profileName), telemetry)]),
  ];
}

function eventOf(payload: Uint8Array): Event {
  const isJson = payload[0] === 0x7b;
  const json: unknown = isJson
    ? JSON.parse(Buffer.from(payload).toString())
    : toJson(UplinkEventSchema, fromBinary(UplinkEventSchema, payload));
  return json as Event;
}

function uplinkCells(event: Event, uplink: PublishedUplink): ExpectedRow["cells"] {
  const { deviceInfo, rxInfo, txInfo } = event;
  const { lora } = txInfo.modulation;
  const [best] = rxInfo.toSorted((a, b) => snrOf(b) - snrOf(a) || b.rssi - a.rssi);
  const bytes = Buffer.from(event.data ?? "", "base64").length;
  return {
    f_cnt: uplink.fCnt,
    f_port: uplink.fPort,
    adr: event.adr ?? false,
    confirmed: event.confirmed ?? false,
    dev_addr: event.devAddr,
    payload_bytes: bytes,
    dr: uplink.dr,
    spreading_factor: lora.spreadingFactor,
    bandwidth: lora.bandwidth,
    frequency: txInfo.frequency,
    code_rate: lora.codeRate.replace(/^CR_(\d)_(\d)$/, "$1/$2"),
    airtime_ms: airtimeMs(lora, bytes),
    rssi: Math.max(...rxInfo.map(({ rssi }) => rssi)),
    snr: Math.max(...rxInfo.map(snrOf)),
    margin: Math.max(...rxInfo.map(snrOf)) - requiredSnrDb(lora),
    gateway_count: rxInfo.length,
    best_gateway_id: best?.gatewayId,
    ns_delay_ms: delayMs(best),
    region_config_id: event.regionConfigId,
    deduplication_id: uplink.deduplicationId,
    device_name: deviceInfo["deviceName"],
    application_name: deviceInfo["applicationName"],
    profile_name: deviceInfo["deviceProfileName"],
    tenant_name: deviceInfo["tenantName"],
    time_source: "event",
  };
}

function receptionCells(
  { txInfo }: Event,
  reception: Reception,
  { fCnt }: PublishedUplink,
): ExpectedRow["cells"] {
  const { lora } = txInfo.modulation;
  // A location without coordinates is one that nobody knows.
  const { latitude, longitude, altitude } = reception.location ?? {};
  return {
    gateway_id: reception.gatewayId,
    rssi: reception.rssi,
    snr: snrOf(reception),
    margin: snrOf(reception) - requiredSnrDb(lora),
    channel: reception.channel ?? 0,
    ns_delay_ms: delayMs(reception),
    latitude,
    longitude,
    altitude,
    f_cnt: fCnt,
    spreading_factor: lora.spreadingFactor,
    frequency: txInfo.frequency,
  };
}

/** Lower case; each run of anything but letters and digits is one `_`. */
function telemetryTable(profileName: string): string {
  return `telemetry_${profileName.toLowerCase().replaceAll(/[^a-z0-9]+/g, "_")}`;
}

function snrOf({ snr = 0 }: Reception): number {
  return snr;
}

/** Semtech: −7.5 dB at SF7, and 2.5 dB less for each step. */
function requiredSnrDb({ spreadingFactor }: Lora): number {
  return -7.5 - 2.5 * (spreadingFactor - 7);
}

/**
 * AN1200.13 of Semtech, for 4/5, explicit header, CRC, 8 symbols of preamble. LoRaWAN adds 12 bytes, and FPort where
 * there is a payload.
 */
function airtimeMs({ spreadingFactor, bandwidth }: Lora, bytes: number): number {
  const symbolMs = 2 ** spreadingFactor / (bandwidth / 1000);
  const lowRate = symbolMs >= 16 ? 2 : 0;
  const frameBytes = bytes === 0 ? 12 : bytes + 13;
  const blocks = Math.ceil((8 * frameBytes - 4 * spreadingFactor + 44) / (4 * (spreadingFactor - lowRate)));
  return (20.25 + 5 * Math.max(blocks, 0)) * symbolMs;
}

function delayMs(reception: Reception | undefined): number | undefined {
  if (reception?.nsTime === undefined || reception.gwTime === undefined) return undefined;
  return Number(nanoseconds(reception.nsTime) - nanoseconds(reception.gwTime)) / 1e6;
}

function nanoseconds(text: string): bigint {
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? "";
  const seconds = BigInt(Date.parse(`${text.slice(0, 19)}Z`)) / 1000n;
  return seconds * 1_000_000_000n + BigInt(fraction.padEnd(9, "0"));
}
