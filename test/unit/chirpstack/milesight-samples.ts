/** What the network server inside a Milesight gateway publishes. */
import type { JsonObject } from "../../../src/chirpstack/event.ts";

/** Without a codec: everything that the gateway knows. */
export function milesightUplink(): JsonObject {
  return {
    applicationID: 1,
    applicationName: "barns",
    data: "AXU9AwABBAAB",
    devEUI: "24E124136B502217",
    deviceID: 22,
    deviceName: "barn 7 north",
    fCnt: 128,
    fPort: 85,
    gatewaySN: "6123A1234567",
    gatewayTime: "2024-11-05T22:01:50+08:00",
    rxInfo: [
      {
        altitude: 512,
        gpsEnable: true,
        latitude: 47.1,
        loRaSNR: 13.8,
        longitude: 8.5,
        mac: "24e124fffef54092",
        name: "Local Gateway",
        rssi: -51,
        time: "2024-11-05T14:01:49.217376Z",
      },
    ],
    time: "2024-11-05T14:01:49.217376Z",
    txInfo: {
      adr: true,
      codeRate: "4/5",
      dataRate: { bandwidth: 125, modulation: "LORA", spreadFactor: 7 },
      frequency: 868_100_000,
    },
    metadata: { mqtt_topic: "/barns" },
  };
}

/** With a codec: what it decoded, beside the members that the operator chose. */
export function milesightDecoded(): JsonObject {
  return {
    battery: 92,
    temperature: 24.5,
    applicationID: 1,
    cellularIP: "10.0.0.1",
    devEUI: "24e124136b502217",
    deviceName: "barn 7 north",
    gatewayTime: "2024-11-05T22:01:50+08:00",
  };
}
