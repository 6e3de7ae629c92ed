import assert from "node:assert/strict";
import { test } from "node:test";
import { identifierKind } from "../../../src/telemetry/identifiers.ts";

test("what holds for a device as long as it lives is constant", () => {
  const names = [
    "serial",
    "serialNumber",
    "serial_no",
    "SerialNo",
    "sn",
    "device_id",
    "deviceID",
    "devEUI",
    "imei",
    "codecVersion",
    "protocol_version",
    "genericModel",
    "SENSOR_MODEL",
    "model",
    "_model",
    "productCode",
    "part-number",
    "manufacturer",
    "Node_type",
    "productionDate",
    "nested.serial number",
    "device_serial_number",
  ];
  for (const name of names) assert.equal(identifierKind(name), "constant", name);
});

test("what may be replaced, updated or read anew is changing", () => {
  const names = [
    "version",
    "_version",
    "fw_version",
    "firmwareversion",
    "HWVersion",
    "fwVer",
    "hw_rev",
    "revision",
    "fw",
    "HW",
    "firmware",
    "hardware",
    "id",
    "tag_id",
    // What a payload's `application_id` is called, beside the tag.
    "application_id_",
    "uid",
    "UUID",
    "sim_iccid",
    "wifi_0_mac",
    "mac_2",
    "macAddress",
    "devaddr",
    "barcode",
    "zip",
    "zip-code",
    "phoneNumber",
  ];
  for (const name of names) assert.equal(identifierKind(name), "changing", name);
});

test("what only sounds like one is none: it is the last words that count, and whole ones", () => {
  const names = [
    "",
    "_",
    "humid",
    "acid",
    "grid",
    "valid",
    "river",
    "fever",
    "caféid",
    "conversion",
    "dc_conversion",
    "polarity_inversion",
    "ac_model",
    "remodel",
    "hw_temperature",
    "serial_port_load",
    "version_count",
    "error_code",
    "number",
    "sw",
    "type",
  ];
  for (const name of names) assert.equal(identifierKind(name), undefined, name);
});

test("a name is read the same however many others have been asked for before", () => {
  for (let index = 0; index < 5000; index += 1) identifierKind(`made_up_${index}_x`);
  assert.equal(identifierKind("never_asked_for_version"), "changing");
  assert.equal(identifierKind("never_asked_for_serial"), "constant");
  assert.equal(identifierKind("made_up_0_x"), undefined);
});
