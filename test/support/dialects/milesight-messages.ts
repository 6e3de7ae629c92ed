/** What the network server inside Milesight's gateways publishes, of 2026-03-10. */
import type { Message } from "../publisher.ts";

/** Their topics are free text. */
export const milesightMessages: readonly Message[] = [
  {
    topic: "ug65/uplink",
    payload: JSON.stringify({
      applicationID: 1,
      applicationName: "greenhouse",
      data: "AXU9AwABBAAB",
      devEUI: "24E124136B500201",
      deviceID: 22,
      deviceName: "bed 1",
      fCnt: 128,
      fPort: 85,
      gatewaySN: "6123A1234567",
      gatewayTime: "2026-03-10T19:53:01+08:00",
      rxInfo: [
        {
          altitude: 700,
          gpsEnable: true,
          latitude: 45.5,
          loRaSNR: 13.8,
          longitude: 9.25,
          mac: "24e124f54092",
          name: "Local Gateway",
          rssi: -51,
          time: "2026-03-10T11:53:00.217376Z",
        },
      ],
      time: "2026-03-10T11:53:00.217376Z",
      txInfo: {
        adr: true,
        codeRate: "4/5",
        dataRate: { bandwidth: 125, modulation: "LORA", spreadFactor: 7 },
        frequency: 868_100_000,
      },
      metadata: { mqtt_topic: "ug65/uplink" },
    }),
  },
  // With a codec: what it decoded stands beside the envelope.
  {
    topic: "ug65/decoded",
    payload: JSON.stringify({
      battery: 92,
      temperature: 24.5,
      position: "normal",
      applicationID: 1,
      applicationName: "greenhouse",
      cellularIP: "10.0.0.1",
      data: "AXVc",
      devEUI: "24e124136b500202",
      deviceName: "bed 2",
      fCnt: 3,
      fPort: 85,
      gatewayTime: "2026-03-10T19:53:30+08:00",
      rxInfo: [{ mac: "24e124fffef54092", rssi: -44, loRaSNR: 11, time: "2026-03-10T11:53:30Z" }],
      txInfo: {
        adr: false,
        codeRate: "4/5",
        dataRate: { bandwidth: 125, modulation: "LORA", spreadFactor: 7 },
        frequency: 868_300_000,
      },
    }),
  },
  // With a codec, and of the envelope only what the operator wants.
  {
    topic: "ug65/decoded",
    payload: JSON.stringify({
      battery: 91,
      applicationID: 1,
      cellularIP: "10.0.0.1",
      devEUI: "24e124136b500203",
      gatewayTime: "2026-03-10T19:53:40+08:00",
    }),
  },
];
