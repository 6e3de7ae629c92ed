/** Meters and trackers, whose messages carry lists: SenseCAP, TE Connectivity, Axioma, Quandify. */
import type { DevicePayload } from "./payload-fixtures.ts";

export const logPayloads: readonly DevicePayload[] = [
  {
    maker: "SenseCAP",
    device: "T1000: messages with times in milliseconds, in a list of lists",
    object: {
      valid: true,
      err: 0,
      messages: [
        [
          {
            measurementId: "4197",
            timestamp: 1_749_818_600_000,
            measurementValue: 8.5417,
            type: "Longitude",
          },
          {
            measurementId: "4198",
            timestamp: 1_749_818_600_000,
            measurementValue: 47.3769,
            type: "Latitude",
          },
        ],
      ],
    },
    profile: { explode: { messages_0: "timestamp" } },
    columns: { valid: true, err: 0 },
    history: [
      {
        time: "2025-06-13T12:43:20Z",
        columns: { measurementId: "4197", measurementValue: 8.5417, type: "Longitude" },
      },
      {
        // The same moment: a row that would overwrite the first.
        time: "2025-06-13T12:43:20.000000001Z",
        columns: { measurementId: "4198", measurementValue: 47.3769, type: "Latitude" },
      },
    ],
  },
  {
    maker: "SenseCAP",
    device: "S2101",
    object: {
      err: 0,
      payload: "0101100104010012",
      valid: true,
      messages: [{ measurementId: 4097, measurementValue: 24.7, type: "report_telemetry" }],
    },
    profile: { drop: ["payload"] },
    columns: {
      err: 0,
      valid: true,
      messages_0_measurementId: 4097,
      messages_0_measurementValue: 24.7,
      messages_0_type: "report_telemetry",
    },
  },
  {
    maker: "TE Connectivity",
    device: "8911 vibration sensor",
    object: {
      size: 12,
      devtype: { Platform: "Platform_21", Sensor: "Humidity", Unit: "%" },
      cnt: 4196,
      devstat: ["PrelPhase"],
      bat: 99,
      temp: "25.42",
      data: "33.37",
    },
    columns: {
      size: 12,
      devtype_Platform: "Platform_21",
      devtype_Sensor: "Humidity",
      devtype_Unit: "%",
      cnt: 4196,
      devstat_0: "PrelPhase",
      bat: 99,
      temp: 25.42,
      data: 33.37,
    },
  },
  {
    maker: "Axioma",
    device: "Qalcosonic W1: hourly volumes with times as text",
    object: {
      state: "OK",
      volume: 120_345,
      logs: [
        { date: "2025-06-13T10:00:00Z", volume: 120_100 },
        { date: "2025-06-13T11:00:00Z", volume: 120_222 },
        { date: "never", volume: 0 },
      ],
    },
    profile: { explode: { logs: "date" }, unit: { volume: "L to m3" } },
    columns: { state: "OK", volume: 120.345 },
    untimed: ["logs_2"],
    history: [
      { time: "2025-06-13T10:00:00Z", columns: { volume: 120.1 } },
      { time: "2025-06-13T11:00:00Z", columns: { volume: 120.222 } },
    ],
  },
  {
    maker: "Quandify",
    device: "CubicMeter",
    object: {
      type: "statusReport",
      fPort: 1,
      length: 28,
      data: {
        errorCode: "No error",
        isSensing: true,
        totalVolume: 3_512_890,
        leakStatus: "No leak",
        batteryActive: 3608,
      },
    },
    profile: { unit: { data_totalVolume: "L to m3", data_batteryActive: "mV to V" }, drop: ["length"] },
    columns: {
      type: "statusReport",
      fPort: 1,
      data_errorCode: "No error",
      data_isSensing: true,
      data_totalVolume: 3512.89,
      data_leakStatus: "No leak",
      data_batteryActive: 3.608,
    },
  },
];
