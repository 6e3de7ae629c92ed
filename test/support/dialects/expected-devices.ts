/** The table `device` of the database `lorawan`: a row for each device at first sight, worked out by hand. */
import { row, table } from "../tables.ts";
import type { Row, Tables } from "../tables.ts";
import { received } from "./expected-series.ts";

/** Instants are in ms there. */
function seen(time: string, event: string): Row {
  const ms = time === received ? received : Date.parse(`${time}Z`);
  return {
    last_event: event,
    first_seen_ms: ms,
    last_seen_ms: ms,
    ...(event === "up" ? { last_uplink_ms: ms } : {}),
  };
}

const barns: Row = row(
  { application_id: "5b000000-0000-4000-8000-0000000000b1", site: "barn-7", application_name: "barns" },
  { tenant_name: "Farm", tenant_id: "7e000000-0000-4000-8000-00000000000a" },
);
const pumps: Row = row(
  { ...barns },
  { profile_name: "Class C Pump", profile_id: "e3000000-0000-4000-8000-000000000005" },
);
const water: Row = { application_id: "123", site: "barn-7", application_name: "water" };
const greenhouse: Row = { application_id: "1", site: "barn-7", application_name: "greenhouse" };

const v4Devices: readonly Row[] = [
  row(
    { time: "2026-03-10T11:55:00.123456789" },
    { dev_eui: "24e124136b500001", ...barns, building: "north", device_name: "barn north" },
    { profile_name: "EM300-TH", profile_id: "e3000000-0000-4000-8000-000000000300" },
    { ...seen("2026-03-10T11:55:00.123", "up") },
    { dev_addr: "01a44c4c", f_cnt: 153, gateways_known: 2 },
  ),
  row(
    { time: "2026-03-10T11:56:00" },
    { dev_eui: "a840410000000002", ...barns, building: "south", device_name: "cellar" },
    { profile_name: "LHT65N", profile_id: "e3000000-0000-4000-8000-000000000065" },
    { ...seen("2026-03-10T11:56:00", "up") },
    { dev_addr: "01a44c4d", f_cnt: 7001, gateways_known: 1 },
  ),
  row(
    { time: "2026-03-10T11:56:10" },
    { dev_eui: "0004a30b00000003", ...barns, device_name: "meter" },
    { profile_name: "Meter", profile_id: "e3000000-0000-4000-8000-000000000003" },
    { ...seen("2026-03-10T11:56:10", "up") },
    { dev_addr: "01a44c4e", f_cnt: 0 },
  ),
  row(
    { time: "2026-03-10T11:57:00.250" },
    { dev_eui: "70b3d50000000004", ...barns, device_name: "Fühler 4" },
    { profile_name: "Äußere Fühler #1", profile_id: "e3000000-0000-4000-8000-000000000004" },
    { ...seen("2026-03-10T11:57:00.250", "up") },
    { dev_addr: "01a44c4f", f_cnt: 12, gateways_known: 1 },
  ),
  row(
    { time: "2026-03-10T11:57:10" },
    { dev_eui: "70b3d50000000005", ...pumps, device_name: "pump" },
    { ...seen("2026-03-10T11:57:10", "join") },
  ),
  row(
    { time: "2026-03-10T11:59:10" },
    { dev_eui: "70b3d50000000006", ...pumps, device_name: "lamp" },
    { ...seen("2026-03-10T11:59:10", "status") },
    { downlink_snr: 10, external_power: true, battery_level_unavailable: false },
  ),
  row(
    { time: "2026-03-10T11:59:20" },
    { dev_eui: "70b3d50000000007", ...pumps, device_name: "gate" },
    { ...seen("2026-03-10T11:59:20", "status") },
    { downlink_snr: 0, external_power: false, battery_level_unavailable: true },
  ),
];

const formerDevices: readonly Row[] = [
  row(
    { time: "2026-03-10T11:50:00.981337" },
    { dev_eui: "a840410000000101", ...water, building: "water", device_name: "tank 1" },
    { profile_name: "Dragino LDDS75", profile_id: "d3000000-0000-4000-8000-000000000075" },
    { ...seen("2026-03-10T11:50:00.981", "up") },
    { f_cnt: 261, gateways_known: 2 },
  ),
  row(
    { time: received },
    { dev_eui: "a840410000000102", ...water, device_name: "tank 2", profile_name: "Dragino LDDS75" },
    { ...seen(received, "up") },
    { f_cnt: 5, gateways_known: 1 },
  ),
  row(
    { time: "2026-03-10T11:51:00.500" },
    { dev_eui: "0202030405060708", application_id: "124", site: "barn-7", application_name: "stables" },
    { device_name: "trough", profile_name: "LHT65N", profile_id: "d3000000-0000-4000-8000-000000000012" },
    { ...seen("2026-03-10T11:51:00.500", "up") },
    { dev_addr: "01a44c4c", f_cnt: 9, gateways_known: 1 },
  ),
  row(
    { time: "2026-03-10T11:52:00.250" },
    { dev_eui: "0202030405060709", application_id: "125", site: "barn-7", application_name: "weights" },
    { device_name: "scale", profile_name: "Scale", profile_id: "d3000000-0000-4000-8000-000000000099" },
    { ...seen("2026-03-10T11:52:00.250", "up") },
    { dev_addr: "01a44c70", f_cnt: 31, gateways_known: 1 },
  ),
  row(
    { time: "2026-03-10T11:53:00.217376" },
    { dev_eui: "24e124136b500201", ...greenhouse, device_name: "bed 1" },
    { ...seen("2026-03-10T11:53:00.217", "up") },
    { f_cnt: 128, gateways_known: 1 },
  ),
  row(
    { time: "2026-03-10T11:53:30" },
    { dev_eui: "24e124136b500202", ...greenhouse, device_name: "bed 2" },
    { ...seen("2026-03-10T11:53:30", "up") },
    { f_cnt: 3, gateways_known: 1 },
  ),
  row(
    { time: "2026-03-10T11:53:40" },
    { dev_eui: "24e124136b500203", application_id: "1", site: "barn-7" },
    { ...seen("2026-03-10T11:53:40", "up") },
  ),
];

const deviceColumns = {
  tag: "dev_eui application_id site building",
  string: "device_name application_name profile_name tenant_name profile_id tenant_id dev_addr last_event",
  integer: "first_seen_ms last_seen_ms last_uplink_ms f_cnt gateways_known downlink_snr",
  boolean: "external_power battery_level_unavailable",
};

export const expectedDevices: Tables = { device: table(deviceColumns, [...v4Devices, ...formerDevices]) };
