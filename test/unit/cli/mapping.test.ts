import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { appendFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { promisify } from "node:util";
import { packOwn, ownSource, ownTopic } from "../../../src/pipeline/own-message.ts";
import { message, messages, openJournal, startMs } from "../journal/fixture.ts";
import { joinEvent, toJsonBytes, upTopic } from "../chirpstack/samples.ts";
import { barn, type Device, show, showJson, site, siteWithoutJournal, uplink } from "./mapping-fixture.ts";

const cellar: Device = {
  devEui: "a84041ffff1e5dd2",
  deviceName: "cellar",
  deviceProfileName: "LHT65N",
  deviceProfileId: "0f6a2c11-0000-4c58-9d0a-0242ac120003",
};

const climate = [
  uplink(0, { temperature: 21.5, humidity: "56.0", mode: "eco" }),
  uplink(1, { temperature: 21.5, humidity: "57.5" }),
  uplink(2, { temperature: 22, humidity: "57.5" }),
];

const dragino = [327.67, 20, 327.67].map((probe, n) =>
  uplink(10 + n, { Node_type: "LHT65N", BatV: 3.3, TempC_DS: probe }, cellar),
);

const draginoProfile = `
[[profile]]
match = { profile = "other" }
[[profile]]
match = { profile = "LHT65N", tags = { building = "barn-7" } }
table = "climate"
rename = { BatV = "battery" }
unit = { battery = "V to mV" }
`;

/** Payloads of each profile, as `[table, mapping, device EUIs, payloads]`. */
async function groupsOf(where: { readonly configFile: string }, name: string, payloads = 50) {
  const { json } = await showJson(where, name, { payloads });
  const profiles = (json["profiles"] ?? []) as Record<string, unknown>[];
  return profiles.map((profile) => [
    profile["table"],
    (profile["mapping"] as { readonly number: number } | null)?.number,
    (profile["devices"] as { readonly dev_eui: string }[]).map(({ dev_eui }) => dev_eui),
    profile["payloads"],
  ]);
}

describe("mapping show, for a person", () => {
  test("says of each key what becomes of it, and when only some payloads have it", async (t) => {
    const { code, out, err } = await show(site(t, [...climate, ...dragino]), "EM300-TH");
    assert.equal(
      out,
      [
        "EM300-TH: the last 3 payloads, 2026-03-01 00:00 to 00:20 UTC",
        "  devices  24e124538b223213 barn 7 north",
        "  table    telemetry_em300_th",
        "  columns  not compared with those in InfluxDB: there is no state.db yet",
        "  mapping  no [[profile]] matches: the defaults hold",
        "",
        "  KEY          VALUES          WHAT BECOMES OF IT",
        '  humidity     "57.5", "56.0"  column humidity, float; text made number',
        "  temperature  22, 21.5        column temperature, float",
        '  mode         "eco"           column mode, string (1 of 3)',
        "",
        "Nothing to propose.",
        "",
      ].join("\n"),
    );
    assert.deepEqual([code, err], [0, ""]);
  });

  test("names the [[profile]] that applies, and ends in a block to paste", async (t) => {
    const { out } = await show(site(t, [...climate, ...dragino], draginoProfile), "LHT65N");
    assert.equal(
      out,
      [
        "LHT65N: the last 3 payloads, 2026-03-01 01:40 to 02:00 UTC",
        "  devices  a84041ffff1e5dd2 cellar",
        "  table    climate",
        "  columns  not compared with those in InfluxDB: there is no state.db yet",
        '  mapping  [[profile]] number 2, for profile = "LHT65N", tag building = "barn-7"',
        "",
        "  KEY        VALUES      WHAT BECOMES OF IT",
        "  BatV       3.3         column battery, float; renamed from BatV; scaled to",
        "                         3300",
        '  Node_type  "LHT65N"    column Node_type, string',
        "  TempC_DS   327.67, 20  column TempC_DS, float",
        "",
        "Proposal, for the configuration:",
        "",
        '# from the last 3 payloads of "LHT65N"',
        "# [[profile]] number 2 of the configuration applies already: put these lines into it, each list and table in place of its own",
        "[[profile]]",
        'match = { profile = "LHT65N" }',
        "# always the same so far. Without them rows are smaller, and none says so when one changes:",
        "# drop = [",
        '#   "Node_type", # "LHT65N" in all 3 payloads that have it',
        "# ]",
        "",
        "[profile.sentinel]",
        "# 327.67: 2 of 3 values; the others are 20",
        "TempC_DS = [327.67]",
        "",
      ].join("\n"),
    );
  });

  test("what it proposes is right in the configuration, and then there is nothing to propose", async (t) => {
    const where = site(t, dragino);
    const { out } = await show(where, "cellar");
    const [, proposal = ""] = out.split("Proposal, for the configuration:\n");
    appendFileSync(where.configFile, proposal);
    const after = await show(where, "cellar");
    assert.match(after.out, /^ {2}mapping {2}\[\[profile\]\] number 1, for profile = "LHT65N"$/m);
    assert.match(after.out, /^ {2}Node_type {2}"LHT65N" {2} *column Node_type, string$/m);
    assert.match(
      after.out,
      /^ {2}TempC_DS {3}327\.67 {2} *sentinel: no field in column TempC_DS \(2 of 3\)$/m,
    );
    assert.match(after.out, /\nNothing to propose\.\n$/);
  });

  test("keys of exploded items stand below the others, and a type that changes has a line for each", async (t) => {
    const sent = [
      uplink(0, { history: [{ timestamp: startMs / 1000 - 60, t: 20 }], a: 1 }),
      uplink(1, { a: "x" }),
    ];
    const { out } = await show(site(t, sent), "EM300-TH");
    const [, table = ""] = out.split("\n\n  KEY");
    assert.equal(
      table.split("\n\nNo proposal")[0],
      [
        "        VALUES            WHAT BECOMES OF IT",
        '  a          "x"               column a, string (a_text where the column has',
        "                               another type) (1 of 2)",
        "             1                 column a, float (a_num where the column has",
        "                               another type) (1 of 2)",
        '  history    [{"timestamp":1…  exploded into 1 row of their own time (1 of 2)',
        "",
        "  In each of the items of history:",
        "  t          20                column t, float (1 of 2)",
        "  timestamp  1772323140        the time of its row (1 of 2)",
      ].join("\n"),
    );
  });
});

test("of a column whose type changes, what is not of its usual type is told with the column beside it", async (t) => {
  const sent = ["on", 3, 4, true].map((status, n) =>
    uplink(n, { status, history: [{ timestamp: startMs / 1000 - 60 + n, t: n === 0 ? "x" : n }] }),
  );
  const where = site(t, sent);
  const { out } = await show(where, "EM300-TH");
  const words = out.replaceAll(/\s+/g, " ");
  assert.match(
    words,
    / true column status, boolean \(status_flag where the column has another type\) \(1 of 4\) /,
  );
  assert.match(words, / 4, 3 column status, float \(2 of 4\) /);
  assert.match(
    words,
    / "on" column status, string \(status_text where the column has another type\) \(1 of 4\) /,
  );
  assert.match(words, / "x" column t, string \(t_text where the column has another type\) \(1 of 4\) /);
  assert.match(words, / No proposal, but to know: status changes its type: /);
  for (const line of out.split("\n")) assert.ok(line.length <= 80, line);

  const { json } = await showJson(where, "EM300-TH");
  const [profile] = json["profiles"] as {
    readonly keys: { path: string; outcomes: Record<string, unknown>[] }[];
    readonly notes: string[];
  }[];
  const outcomes = profile?.keys.find(({ path }) => path === "status")?.outcomes ?? [];
  assert.deepEqual(
    outcomes.map(({ outcome, column, column_beside: beside }) => [outcome, column, beside]),
    [
      ["column status, boolean (status_flag where the column has another type)", "status", "status_flag"],
      ["column status, float", "status", null],
      ["column status, string (status_text where the column has another type)", "status", "status_text"],
    ],
  );
  assert.match(profile?.notes.join("\n") ?? "", /^status changes its type: /);
});

test("--json has the same facts, cell by cell", async (t) => {
  const sent = [...dragino, uplink(13, { list: [], history: [{ timestamp: "2026-03-01", t: 1 }] }, cellar)];
  const { code, json } = await showJson(site(t, sent, draginoProfile), "LHT65N");
  const key = (path: string, payloads: number, outcome: object, inside: string | null = null): object => ({
    path,
    inside,
    payloads,
    outcomes: [
      { column: null, type: null, column_beside: null, written_to: null, rules: [], payloads, ...outcome },
    ],
  });
  const field = (column: string, type: string, samples: unknown[], more: object = {}): object => ({
    outcome: `column ${column}, ${type}`,
    fate: "field",
    column,
    type,
    samples,
    ...more,
  });
  assert.equal(code, 0);
  const [{ proposal, ...profile } = {}, ...others] = json["profiles"] as Record<string, unknown>[];
  assert.deepEqual(others, []);
  assert.match(String(proposal), /^# from the last 4 payloads.*\[\[profile\]\]/s);
  assert.deepEqual(
    { ...json, profiles: undefined },
    { ok: true, name: "LHT65N", messages_looked_at: 4, undecodable: 0, profiles: undefined },
  );
  assert.deepEqual(profile, {
    profile_name: "LHT65N",
    profile_id: cellar.deviceProfileId,
    table: "climate",
    database: "lorawan",
    table_columns: null,
    columns_unknown_why: "there is no state.db yet",
    keys_untold: 0,
    unmet_rules: [],
    notes: [],
    mapping: { number: 2, match: { profile: "LHT65N", application: null, tags: { building: "barn-7" } } },
    application: null,
    devices: [{ dev_eui: cellar.devEui, device_name: "cellar", payloads: 4 }],
    payloads: 4,
    oldest: "2026-03-01T01:40:00.000Z",
    newest: "2026-03-01T02:10:00.000Z",
    keys: [
      key("history", 1, {
        outcome: "no time that can be right: left out and counted in fields_left_out",
        fate: "no time",
        samples: [{ timestamp: "2026-03-01", t: 1 }],
      }),
      key("list", 1, { outcome: "empty: no field", fate: "empty", samples: [[]] }),
      key(
        "BatV",
        3,
        field("battery", "float", [3.3], {
          outcome: "column battery, float; renamed from BatV; scaled to 3300",
          rules: ["renamed", "scaled"],
        }),
      ),
      key("Node_type", 3, field("Node_type", "string", ["LHT65N"])),
      key("TempC_DS", 3, field("TempC_DS", "float", [327.67, 20])),
    ],
  });
});

describe("what is asked for", () => {
  test("is a device by EUI or name, a profile by name, id or slug, or an application by name or id", async (t) => {
    const where = site(t, [...climate, ...dragino]);
    const barnOnly = [["telemetry_em300_th", undefined, [barn.devEui], 3]];
    for (const name of [
      "24e124538b223213",
      "24E124538B223213",
      "24-E1-24-53-8B-22-32-13",
      "barn 7 north",
      "em300-th",
      barn.deviceProfileId.toUpperCase(),
      "em300_th",
    ])
      assert.deepEqual(await groupsOf(where, name), barnOnly, name);
    const valve = { ...barn, devEui: "24e124538b229999", deviceProfileName: "Клапан 2" };
    for (const name of ["Клапан 2", "d1b6f7a4"])
      assert.deepEqual(await groupsOf(site(t, [uplink(0, { open: 1 }, valve)]), name), [
        ["telemetry_d1b6f7a4", undefined, [valve.devEui], 1],
      ]);
    for (const name of ["barns", "BARNS", "0e6f1d3c-3d2b-4b0e-9c70-0242ac120002"])
      assert.deepEqual(
        (await groupsOf(where, name)).map(([table]) => table),
        ["telemetry_lht65n", "telemetry_em300_th"],
        name,
      );
    for (const name of ["Barn 7 North", "24e124538b22321", "em300", "barn", "unknown"])
      assert.equal((await show(where, name)).code, 1, name);
  });

  test("the newest payloads are enough, and the newest messages are all that is looked at", async (t) => {
    const where = site(t, [...climate, ...dragino]);
    assert.deepEqual(await groupsOf(where, "LHT65N", 2), [
      ["telemetry_lht65n", undefined, [cellar.devEui], 2],
    ]);
    const { json } = await showJson(where, "LHT65N", { payloads: 2 });
    assert.equal(json["messages_looked_at"], 2);
    const few = await showJson(where, "EM300-TH", { messages: 3 });
    assert.deepEqual([few.code, few.json["messages_looked_at"]], [1, 3]);
    const enough = await showJson(where, "EM300-TH", { messages: 4 });
    assert.deepEqual([enough.code, enough.json["messages_looked_at"]], [0, 4]);
  });

  test("each profile that a device had is shown, and each mapping of a profile", async (t) => {
    const later = { ...barn, deviceProfileName: "EM300-TH v2" };
    const tagged = { ...cellar, devEui: "a84041ffff000001", tags: { building: "silo" } };
    const sent = [
      ...climate,
      uplink(4, { t: 1 }, later),
      ...dragino,
      uplink(20, { t: 2 }, tagged),
      uplink(21, { t: 2 }, { ...cellar, devEui: "a84041ffff000002", tags: { building: "barn-7" } }),
    ];
    const where = site(t, sent, draginoProfile);
    assert.deepEqual(await groupsOf(where, barn.devEui), [
      ["telemetry_em300_th_v2", undefined, [barn.devEui], 1],
      ["telemetry_em300_th", undefined, [barn.devEui], 3],
    ]);
    assert.deepEqual(await groupsOf(where, "lht65n"), [
      ["climate", 2, ["a84041ffff000002", cellar.devEui], 4],
      ["telemetry_lht65n", undefined, ["a84041ffff000001"], 1],
    ]);
    const { out } = await show(where, barn.devEui);
    assert.equal(out.match(/^EM300-TH(?: v2)?: the last \d payloads?, /gm)?.length, 2);
  });

  test("an uplink that came twice counts once; one without an id counts each time", async (t) => {
    const [first, ...rest] = climate;
    assert.ok(first !== undefined);
    const nameless = uplink(5, { t: 1 });
    const payload = Buffer.from(
      Buffer.from(nameless.payload)
        .toString()
        .replace(/"deduplicationId":"[^"]*",/, ""),
    );
    const sent = [
      first,
      { ...first, source: "second" },
      ...rest,
      ...[1, 2].map(() => ({ ...nameless, payload })),
    ];
    const where = site(t, sent);
    assert.equal((await groupsOf(where, "EM300-TH"))[0]?.[3], 5);
    const { err } = await show(where, "nobody");
    assert.match(err, /barn 7 north {2}EM300-TH {2}5 payloads$/m, "also where they are only listed");
    assert.match(err, /^ {2}EM300-TH {2}5 payloads$/m);
  });

  test("rows of our own and what cannot be decoded are passed over", async (t) => {
    const own = packOwn({
      points: [],
      facts: { source: "", tenantId: "", tenantName: "", applicationId: "", applicationName: "" },
    });
    const sent = [
      ...climate,
      message("{", { topic: upTopic }),
      message("", { topic: upTopic }),
      message("", { source: ownSource, topic: ownTopic, payload: own }),
    ];
    const { json } = await showJson(site(t, sent), "EM300-TH");
    assert.deepEqual([json["messages_looked_at"], json["undecodable"]], [6, 2]);
  });
});

describe("where there is nothing to show", () => {
  test("it says what there is instead, what resembles the name first, and ends with 1", async (t) => {
    const sent = [...climate, ...dragino, message("{", { topic: upTopic })];
    const { code, out, err } = await show(site(t, sent), "em300");
    assert.deepEqual([code, out], [1, ""]);
    assert.equal(
      err,
      [
        'no device, device profile or application is called "em300" among the newest 7 messages (1 of them cannot be decoded)',
        "",
        "These devices are among them:",
        "  24e124538b223213  barn 7 north  EM300-TH  3 payloads",
        "  a84041ffff1e5dd2  cellar        LHT65N    3 payloads",
        "",
        "These device profiles are among them:",
        "  EM300-TH  3 payloads",
        "  LHT65N    3 payloads",
        "",
      ].join("\n"),
    );
    const { json } = await showJson(site(t, climate), "nobody");
    assert.deepEqual(json, {
      ok: false,
      name: "nobody",
      messages_looked_at: 3,
      undecodable: 0,
      events: 0,
      uplinks_without_object: 0,
      device_count: 1,
      devices: [{ dev_eui: barn.devEui, device_name: "barn 7 north", payloads: 3, profile_name: "EM300-TH" }],
      profile_count: 1,
      profiles: [{ profile_name: "EM300-TH", profile_id: barn.deviceProfileId, payloads: 3 }],
    });
  });

  test("it says how to look further back, unless all has been looked at", async (t) => {
    const join = message("", { topic: upTopic.replace(/up$/, "join"), payload: toJsonBytes(joinEvent()) });
    const where = site(t, [...climate, ...dragino, join]);
    const further = /^no .*\n {2}--messages N looks further back$/m;
    assert.match((await show(where, "EM300-TH", { messages: 2 })).err, further);
    assert.match((await show(where, barn.devEui, { messages: 1 })).err, further);
    assert.doesNotMatch((await show(where, "nobody")).err, /--messages/);
    assert.doesNotMatch((await show(site(t, [join]), barn.devEui)).err, /--messages/);
  });

  test("it names twenty devices and says how many there are beside", async (t) => {
    const sent = Array.from({ length: 33 }, (_, n) =>
      uplink(n, { t: 1 }, { ...cellar, devEui: `a84041ffff0000${n.toString(16).padStart(2, "0")}` }),
    );
    const where = site(t, sent);
    const { err } = await show(where, "nobody");
    assert.equal(err.match(/^ {2}a84041/gm)?.length, 20);
    assert.match(err, /^ {2}… and 13 more$/m);
    const { json } = await showJson(where, "nobody");
    assert.equal((json["devices"] as unknown[]).length, 20);
    assert.equal(json["device_count"], 33);
  });

  test("it tells uplinks without a codec, other events and an empty journal from an unknown name", async (t) => {
    const join = message("", { topic: upTopic.replace(/up$/, "join"), payload: toJsonBytes(joinEvent()) });
    const joined = await show(site(t, [join]), barn.devEui);
    assert.match(
      joined.err,
      /^no uplink of "24e124538b223213" among the newest 1 message, only other events$/m,
    );
    const bare = await show(site(t, [join, uplink(1, undefined), uplink(2, undefined)]), barn.devEui);
    assert.match(
      bare.err,
      /^2 uplinks of "24e1\w+" among the newest 3 messages, none with a decoded payload$/m,
    );
    const empty = await show(site(t, []), barn.devEui);
    assert.equal(empty.err, "the journal is empty: nothing has been received yet\n");
    assert.deepEqual([joined.code, bare.code, empty.code], [1, 1, 1]);
  });

  test("a daemon that never ran is said to be one, and nothing is made in its directory", async (t) => {
    const where = siteWithoutJournal(t);
    const { code, out, err } = await show(where, "EM300-TH");
    assert.deepEqual([code, out], [1, ""]);
    assert.match(err, /^there is no journal in .*\[journal_absent\]\n {2}start the daemon first/);
    const { json } = await showJson(where, "EM300-TH");
    assert.equal(json["ok"], false);
    assert.equal((json["fault"] as Record<string, unknown>)["code"], "journal_absent");
    assert.deepEqual(readdirSync(where.dir), ["flightline.toml"]);
  });
});

test("bad arguments end with 2, a bad configuration with 78 and its problems", async (t) => {
  const where = site(t, climate);
  assert.equal((await show(where, "")).code, 2);
  assert.deepEqual(await show(where, "x", { messages: 0 }), {
    code: 2,
    out: "",
    err: "--messages: expected 1 to 1000000.\n",
  });
  assert.equal((await show(where, "x", { messages: 1_000_001 })).code, 2);
  assert.equal((await show(where, "x", { payloads: 0 })).code, 2);
  assert.equal((await show(where, "x", { payloads: 1001 })).code, 2);
  writeFileSync(where.configFile, "[journal]\nkeep = 1\n");
  const bad = await show(where, "EM300-TH");
  assert.deepEqual([bad.code, bad.out], [78, ""]);
  assert.match(bad.err, /flightline\.toml:2: journal\.keep: unknown key\n/);
  const { code, json } = await showJson(where, "EM300-TH");
  assert.equal(code, 78);
  assert.equal(json["ok"], false);
});

test("an interrupt ends it between two steps, with nothing said", async (t) => {
  const where = site(t, messages(1000));
  assert.deepEqual(await show(where, "nobody", {}, AbortSignal.abort()), { code: 1, out: "", err: "" });
});

test("while the daemon goes on committing, it shows what was there and disturbs nobody", async (t) => {
  const where = site(t, [...climate, ...messages(1500)]);
  const done = new AbortController();
  let commits = 0;
  const writing = (async () => {
    for (; !done.signal.aborted; commits += 1) {
      where.journal.commit(messages(5));
      where.journal.checkpointWhenDue();
      await turn();
    }
  })();
  const { json } = await showJson(where, "EM300-TH");
  done.abort();
  await writing;
  assert.equal((json["profiles"] as { readonly payloads: number }[])[0]?.payloads, 3);
  assert.ok(commits >= 5, `${commits} commits`);
  assert.equal(where.journal.lastSeq, 1503 + commits * 5);
});

test("the program itself, beside a journal that this process has open", async (t) => {
  const where = site(t, climate);
  const main = join(import.meta.dirname, "../../../src/main.ts");
  const run = async (...args: string[]): Promise<{ readonly code: number; readonly stdout: string }> => {
    const running = promisify(execFile)(process.execPath, [main, "mapping", "show", ...args]);
    try {
      return { code: 0, stdout: (await running).stdout };
    } catch (error) {
      const { code, stdout } = error as { readonly code: number; readonly stdout: string };
      return { code, stdout };
    }
  };
  const [found, unknown, wrong] = await Promise.all([
    run("em300-th", "-c", where.configFile, "--json", "--payloads", "2"),
    run("nobody", "-c", where.configFile),
    run("em300-th", "-c", where.configFile, "--messages", "many"),
  ]);
  assert.deepEqual([found.code, unknown.code, wrong.code], [0, 1, 2]);
  assert.equal((JSON.parse(found.stdout) as Record<string, unknown>)["messages_looked_at"], 2);
  assert.equal(openJournal(t, where.dir).lastSeq, 3);
});
