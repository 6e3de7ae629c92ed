/** ChirpStack v4 uplinks in JSON, as small as they can be and still be real; each has a number. */

const applicationId = "0e6f1d3c-3d2b-4b0e-9c70-0242ac120002";

export interface UplinkMessage {
  readonly topic: string;
  readonly payload: Buffer;
}

/** The nth uplink of a fleet of ten devices, one second apart. `changes` replaces members of the event. */
export function uplink(n: number, changes: Record<string, unknown> = {}): UplinkMessage {
  const devEui = (0xa0000000 + (n % 10)).toString(16).padStart(16, "0");
  const time = new Date(Date.UTC(2026, 0, 1) - 86_400_000 + n * 1000).toISOString();
  const event = {
    deduplicationId: uplinkId(n),
    time,
    deviceInfo: {
      tenantId: "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
      tenantName: "farm",
      applicationId,
      applicationName: "barns",
      deviceProfileId: "d1b6f7a4-5f2e-4c58-9d0a-0242ac120003",
      deviceProfileName: "EM300-TH",
      deviceName: `sensor ${n % 10}`,
      devEui,
    },
    devAddr: "01a44c4c",
    dr: 5,
    fCnt: n,
    fPort: 85,
    data: "AXU9AwABBAAB",
    object: { temperature: 20 + (n % 50) / 10 },
    rxInfo: [
      { gatewayId: "e4e124dadef64eee", uplinkId: n, nsTime: time, rssi: -68, snr: 13.2, crcStatus: "CRC_OK" },
    ],
    txInfo: {
      frequency: 867_300_000,
      modulation: { lora: { bandwidth: 125_000, spreadingFactor: 7, codeRate: "CR_4_5" } },
    },
    ...changes,
  };
  return { topic: upTopic(devEui), payload: Buffer.from(JSON.stringify(event)) };
}

function uplinkId(n: number): string {
  return `3ac7e3c4-4401-4b8d-9386-${n.toString(16).padStart(12, "0")}`;
}

function upTopic(devEui: string): string {
  return `application/${applicationId}/device/${devEui}/event/up`;
}

/** Another event of a device, which no table holds yet. */
export function joinEvent(n: number): UplinkMessage {
  const { topic, payload } = uplink(n);
  return { topic: topic.replace(/up$/, "join"), payload };
}

/** A message that no decoder understands. */
export function junk(n: number): UplinkMessage {
  return { topic: uplink(n).topic, payload: Buffer.from(`{"this is": not JSON ${n}`) };
}

/** The numbers of the uplinks whose rows of table `uplink` are in these lines, in order. */
export function numbersIn(lines: string): number[] {
  return [...lines.matchAll(/^uplink,.*deduplication_id="3ac7e3c4-4401-4b8d-9386-([0-9a-f]{12})"/gm)].map(
    (found) => Number.parseInt(found[1] ?? "", 16),
  );
}
