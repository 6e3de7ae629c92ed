/** Tags and times of the uplinks that the tests publish, as they stand in every table of theirs. */
import type { Row } from "../tables.ts";

/** Stands for the time of receipt, which only the daemon's clock knows. */
export const received = "the time of receipt";

const barns: Row = { application_id: "5b000000-0000-4000-8000-0000000000b1", site: "barn-7" };

export const north = { dev_eui: "24e124136b500001", ...barns, building: "north" };
export const cellar = { dev_eui: "a840410000000002", ...barns, building: "south" };
export const meter = { dev_eui: "0004a30b00000003", ...barns };
export const probe = { dev_eui: "70b3d50000000004", ...barns };
export const tank1 = {
  dev_eui: "a840410000000101",
  application_id: "123",
  site: "barn-7",
  building: "water",
};
export const tank2 = { dev_eui: "a840410000000102", application_id: "123", site: "barn-7" };
export const trough = { dev_eui: "0202030405060708", application_id: "124", site: "barn-7" };
export const scale = { dev_eui: "0202030405060709", application_id: "125", site: "barn-7" };
export const bed1 = { dev_eui: "24e124136b500201", application_id: "1", site: "barn-7" };
export const bed2 = { dev_eui: "24e124136b500202", application_id: "1", site: "barn-7" };
export const bed3 = { dev_eui: "24e124136b500203", application_id: "1", site: "barn-7" };

export const at = {
  north: "2026-03-10T11:55:00.123456789",
  cellar: "2026-03-10T11:56:00",
  meter: "2026-03-10T11:56:10",
  probe: "2026-03-10T11:57:00.250",
  tank1: "2026-03-10T11:50:00.981337",
  trough: "2026-03-10T11:51:00.500",
  scale: "2026-03-10T11:52:00.250",
  bed1: "2026-03-10T11:53:00.217376",
  bed2: "2026-03-10T11:53:30",
  bed3: "2026-03-10T11:53:40",
};
