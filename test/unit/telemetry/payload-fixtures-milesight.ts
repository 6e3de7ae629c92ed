/** Milesight: flat keys, texts for states, `history` for what was stored. */
import type { DevicePayload } from "./payload-fixtures.ts";

const modbus = Object.fromEntries(
  Array.from({ length: 32 }, (_, index) => [`modbus_chn_${index + 1}`, index]),
);

export const milesightPayloads: readonly DevicePayload[] = [
  {
    maker: "Milesight",
    device: "AM307",
    object: {
      temperature: 23.8,
      humidity: 62,
      pir: "trigger",
      light_level: 2,
      co2: 936,
      tvoc: 0.37,
      pressure: 1008.6,
    },
    columns: {
      temperature: 23.8,
      humidity: 62,
      pir: "trigger",
      light_level: 2,
      co2: 936,
      tvoc: 0.37,
      pressure: 1008.6,
    },
  },
  {
    maker: "Milesight",
    device: "AM307, stored",
    object: {
      history: [
        {
          timestamp: 1_650_881_694,
          temperature: 27,
          humidity: 46.5,
          pir: "idle",
          co2: 865,
          pressure: 1000.7,
        },
        {
          timestamp: 1_650_882_294,
          temperature: 27.1,
          humidity: 46,
          pir: "idle",
          co2: 871,
          pressure: 1000.8,
        },
      ],
    },
    history: [
      {
        time: "2022-04-25T10:14:54Z",
        columns: { temperature: 27, humidity: 46.5, pir: "idle", co2: 865, pressure: 1000.7 },
      },
      {
        time: "2022-04-25T10:24:54Z",
        columns: { temperature: 27.1, humidity: 46, pir: "idle", co2: 871, pressure: 1000.8 },
      },
    ],
  },
  {
    maker: "Milesight",
    device: "EM300-TH",
    object: { battery: 92, temperature: 21.4, humidity: 56 },
    columns: { battery: 92, temperature: 21.4, humidity: 56 },
  },
  {
    maker: "Milesight",
    device: "EM300-DI, live and stored in one message",
    object: {
      battery: 92,
      temperature: 30.8,
      humidity: 50.5,
      history: [{ temperature: 27.2, humidity: 46.5, pulse: 256, timestamp: 1_665_561_758 }],
    },
    columns: { battery: 92, temperature: 30.8, humidity: 50.5 },
    history: [{ time: "2022-10-12T08:02:38Z", columns: { temperature: 27.2, humidity: 46.5, pulse: 256 } }],
  },
  {
    maker: "Milesight",
    device: "EM300-DI with a table of its own and short names, in °F",
    object: {
      temperature: 30.8,
      history: [{ temperature: 27.2, humidity: 46.5, pulse: 256, timestamp: 1_665_561_758 }],
    },
    profile: {
      rename: { temperature: "temp_f", pulse: "count" },
      unit: { temp_f: "C to F" },
      drop: ["humidity"],
    },
    columns: { temp_f: 87.44 },
    history: [{ time: "2022-10-12T08:02:38Z", columns: { temp_f: 80.96, count: 256 } }],
  },
  {
    maker: "Milesight",
    device: "EM300-TH, whose clock was set between two measurements",
    object: {
      temperature: 20.3,
      history: [
        { timestamp: 1204, temperature: 20.1, humidity: 50 },
        { timestamp: 1_665_561_758, temperature: 20.2, humidity: 51 },
      ],
    },
    columns: { temperature: 20.3 },
    untimed: ["history_0"],
    history: [{ time: "2022-10-12T08:02:38Z", columns: { temperature: 20.2, humidity: 51 } }],
  },
  {
    maker: "Milesight",
    device: "UC300, 32 Modbus channels",
    object: modbus,
    columns: modbus,
  },
  {
    maker: "Milesight",
    device: "UC300, analogue inputs",
    object: {
      adv_1: 3.279296875,
      adv_1_avg: 3.275390625,
      adv_1_max: 3.28125,
      adv_1_min: 3.26953125,
      gpio_in_1: "off",
      gpio_counter_2: 4021,
    },
    columns: {
      adv_1: 3.279296875,
      adv_1_avg: 3.275390625,
      adv_1_max: 3.28125,
      adv_1_min: 3.26953125,
      gpio_in_1: "off",
      gpio_counter_2: 4021,
    },
  },
  {
    maker: "Milesight",
    device: "UC100: a Modbus float that is infinite",
    object: { modbus_chn_1: Number.POSITIVE_INFINITY, modbus_chn_2: 3.5, modbus_chn_3: null },
    columns: { modbus_chn_2: 3.5 },
    leftOut: ["modbus_chn_1"],
  },
  {
    maker: "Milesight",
    device: "AT101, with a position",
    object: {
      battery: 100,
      geofence_status: "unset",
      longitude: 118.030576,
      latitude: 24.62495,
      motion_status: "moving",
      position: "normal",
      temperature: 28.3,
    },
    columns: {
      battery: 100,
      geofence_status: "unset",
      longitude: 118.030576,
      latitude: 24.62495,
      motion_status: "moving",
      position: "normal",
      temperature: 28.3,
    },
  },
  {
    maker: "Milesight",
    device: "AT101, with a scan of access points",
    object: {
      wifi: [
        { group: 8, mac: "1c:c3:16:22:2d:f9", motion_status: "moving", rssi: -61 },
        { group: 8, mac: "24:e1:24:f1:2b:7c", motion_status: "moving", rssi: -74 },
      ],
      wifi_scan_result: "finish",
    },
    columns: {
      wifi_0_group: 8,
      wifi_0_mac: "1c:c3:16:22:2d:f9",
      wifi_0_motion_status: "moving",
      wifi_0_rssi: -61,
      wifi_1_group: 8,
      wifi_1_mac: "24:e1:24:f1:2b:7c",
      wifi_1_motion_status: "moving",
      wifi_1_rssi: -74,
      wifi_scan_result: "finish",
    },
  },
  {
    maker: "Milesight",
    device: "AT101 whose access points nobody wants",
    object: { wifi: [{ group: 8, mac: "1c:c3:16:22:2d:f9", rssi: -61 }], wifi_scan_result: "finish" },
    profile: { drop: ["wifi"] },
    columns: { wifi_scan_result: "finish" },
  },
  {
    maker: "Milesight",
    device: "WS301, its start message",
    object: {
      ipso_version: "v0.1",
      hardware_version: "v1.1",
      firmware_version: "v1.2",
      tsl_version: "v1.0",
      sn: "6136b41222740003",
      device_status: "on",
      lorawan_class: "Class A",
    },
    profile: { drop: ["ipso_version", "hardware_version", "firmware_version", "tsl_version", "sn"] },
    columns: { device_status: "on", lorawan_class: "Class A" },
  },
  {
    maker: "Milesight",
    device: "VS133 people counter",
    object: {
      line_1_total_in: 210,
      line_1_total_out: 190,
      region_1: { count: 2, avg_dwell: 340, max_dwell: 900 },
      timestamp: 1_749_818_400,
    },
    columns: {
      line_1_total_in: 210,
      line_1_total_out: 190,
      region_1_count: 2,
      region_1_avg_dwell: 340,
      region_1_max_dwell: 900,
      timestamp: 1_749_818_400,
    },
  },
];
