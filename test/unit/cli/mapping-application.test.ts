/** Milesight's gateways never name a device profile: what can be proposed for their devices all the same. */
import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { describe, test } from "node:test";
import { parse } from "smol-toml";
import type { JsonObject } from "../../../src/chirpstack/event.ts";
import { startMs } from "../journal/fixture.ts";
import { milesightUplink, show, showJson, site } from "./mapping-fixture.ts";

describe("of devices whose network server names no profile", () => {
  const sent = (envelope: JsonObject, from = 0) =>
    [327.67, 20, 21, 327.67, 22, 20, 327.67, 21].map((temperature, n) => {
      const log = [{ time: startMs / 1000 + (from + n) * 600 - 60, t: n }];
      return milesightUplink(from + n, { temperature, battery_mV: 3600, log }, envelope);
    });

  test("a proposal matches the application, and does what it says", async (t) => {
    const where = site(t, sent({ applicationID: 1, applicationName: "greenhouse" }));
    const { out } = await show(where, "ug dev");
    assert.match(out, /^application greenhouse: the last 8 payloads, 2026-03-01 00:00 to 01:10 UTC$/m);
    const [, proposal = ""] = out.split("Proposal, for the configuration:\n\n");
    const [table] = parse(proposal)["profile"] as Record<string, unknown>[];
    assert.deepEqual(structuredClone(table), {
      match: { application: "greenhouse" },
      rename: { battery_mV: "battery_v" },
      unit: { battery_v: "mV to V" },
      sentinel: { temperature: [327.67] },
      explode: { log: "time", history: "timestamp" },
    });
    appendFileSync(where.configFile, proposal);
    const after = await show(where, "ug dev");
    assert.match(after.out, /^ {2}mapping {2}\[\[profile\]\] number 1, for application = "greenhouse"$/m);
    assert.match(after.out, /sentinel: no field in column temperature\s+\(3 of 8\)$/m);
    assert.match(after.out, /\nNothing to propose\.\n$/);
  });

  test("each application is a group of its own, by its name or its number", async (t) => {
    const where = site(t, [
      ...sent({ applicationID: 1, applicationName: "greenhouse" }),
      ...sent({ applicationID: 2 }, 8),
    ]);
    const { json } = await showJson(where, "ug dev");
    const profiles = json["profiles"] as { application: string; payloads: number; proposal: string }[];
    assert.deepEqual(
      profiles.map(({ application, payloads, proposal }) => [
        application,
        payloads,
        /^match = .*$/m.exec(proposal)?.[0],
      ]),
      [
        ["2", 8, 'match = { application = "2" }'],
        ["greenhouse", 8, 'match = { application = "greenhouse" }'],
      ],
    );
  });

  test("where no application is named either, it says that this is what is missing", async (t) => {
    const where = site(t, sent({}));
    const { out } = await show(where, "ug dev");
    assert.match(out, /^\(a device profile without a name\): /);
    assert.doesNotMatch(out, /Nothing to propose/);
    const words = out.replaceAll(/\s+/g, " ");
    assert.match(words, /No proposal, but to know: .* name neither a device profile nor an application/);
    const { json } = await showJson(where, "ug dev");
    const [profile] = json["profiles"] as { application: null; proposal: string; notes: string[] }[];
    assert.deepEqual([profile?.application, profile?.proposal], [null, ""]);
    assert.match(profile?.notes[0] ?? "", /name neither a device profile nor an application/);
  });
});
