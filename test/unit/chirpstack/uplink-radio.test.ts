/** The radio side of v4's uplinks: modulation, code rate, checksum, and where the gateways are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decode } from "../../../src/chirpstack/decode.ts";
import type { JsonObject, Uplink } from "../../../src/chirpstack/event.ts";
import { climateUplink, toJsonBytes, toProtobufBytes, upTopic } from "./samples.ts";

function decodeUplink(payload: Uint8Array): Uplink {
  const result = decode(upTopic, payload);
  assert.ok(result.ok, result.ok ? "" : result.fault.message);
  assert.ok(result.value.kind === "up");
  return result.value;
}

/** The sample with parts replaced; `undefined` leaves a part out. */
function changed(parts: Record<string, unknown>): Uint8Array {
  return toJsonBytes({ ...climateUplink(), ...parts });
}

test("only a bad checksum is one: without any, nothing is said of it", () => {
  const rxInfo = [{}, { crcStatus: "NO_CRC" }, { crcStatus: "BAD_CRC" }, { crcStatus: "CRC_OK" }];
  const expected = [undefined, undefined, false, true];
  for (const payload of [toJsonBytes, toProtobufBytes].map((encode) =>
    encode({ ...climateUplink(), rxInfo }),
  )) {
    assert.deepEqual(
      decodeUplink(payload).receptions.map(({ crcOk }) => crcOk),
      expected,
    );
  }
});

test("FSK and LR-FHSS have their own modulation, and none is none", () => {
  const fsk = decodeUplink(
    changed({ txInfo: { frequency: 868_800_000, modulation: { fsk: { datarate: 50_000 } } } }),
  );
  assert.deepEqual(fsk.modulation, { kind: "fsk", bitrateBps: 50_000 });
  const hopping = { modulation: { lrFhss: { codeRate: "CR_2_6", gridSteps: 8 } } };
  assert.deepEqual(decodeUplink(changed({ txInfo: hopping })).modulation, {
    kind: "lr_fhss",
    codeRate: "2/6",
  });
  const none = decodeUplink(changed({ txInfo: undefined }));
  assert.equal(none.modulation, undefined);
  assert.equal(none.frequencyHz, 0);
});

test("every code rate has its name, and the text of former versions keeps its own", () => {
  const rates: readonly [sent: string, name: string][] = [
    ["CR_4_5", "4/5"],
    ["CR_4_6", "4/6"],
    ["CR_4_7", "4/7"],
    ["CR_4_8", "4/8"],
    ["CR_3_8", "3/8"],
    ["CR_2_6", "2/6"],
    ["CR_1_4", "1/4"],
    ["CR_1_6", "1/6"],
    ["CR_5_6", "5/6"],
    ["CR_LI_4_5", "4/5LI"],
    ["CR_LI_4_6", "4/6LI"],
    ["CR_LI_4_8", "4/8LI"],
    ["CR_UNDEFINED", ""],
  ];
  for (const kind of ["lora", "lrFhss"]) {
    const rateOf = (parameters: JsonObject): unknown => {
      const { modulation } = decodeUplink(changed({ txInfo: { modulation: { [kind]: parameters } } }));
      return modulation?.kind === "fsk" ? undefined : modulation?.codeRate;
    };
    for (const [codeRate, name] of rates) assert.equal(rateOf({ codeRate }), name, `${kind} ${codeRate}`);
    assert.equal(rateOf({ codeRateLegacy: "1/3" }), "1/3", kind);
  }
});

test("a place at 0, 0 is none, whatever its altitude; on the equator, or at Greenwich, it is one", () => {
  const placesOf = (location: JsonObject): unknown[] => {
    const json = { ...climateUplink(), rxInfo: [{ gatewayId: "aa", location }] };
    return [toJsonBytes(json), toProtobufBytes(json)].map(
      (payload) => decodeUplink(payload).receptions[0]?.location,
    );
  };
  for (const location of [{}, { altitude: 500 }, { latitude: 0, longitude: 0, altitude: 500 }]) {
    assert.deepEqual(placesOf(location), [undefined, undefined]);
  }
  const equator = { latitude: 0, longitude: 32.5, altitude: 1135 };
  assert.deepEqual(placesOf({ longitude: 32.5, altitude: 1135 }), [equator, equator]);
  const greenwich = { latitude: 51.5, longitude: 0, altitude: 0 };
  assert.deepEqual(placesOf({ latitude: 51.5 }), [greenwich, greenwich]);
});
