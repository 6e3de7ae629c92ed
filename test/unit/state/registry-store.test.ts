import assert from "node:assert/strict";
import Database from "better-sqlite3";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import type { DeviceRecord, GatewayRecord, StatsSum } from "../../../src/registry/records.ts";
import type { RegistryChanges } from "../../../src/state/registry-store.ts";
import { stateTables } from "../../../src/state/schema.ts";
import { State } from "../../../src/state/state.ts";

const nowMs = Date.UTC(2026, 2, 1);

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "flightline-registry-"));
  t.after(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

function open(t: TestContext, dir: string): State {
  const state = State.open(dir, nowMs);
  t.after(() => {
    state.close();
  });
  return state;
}

function query(dir: string, sql: string): unknown[] {
  const database = new Database(join(dir, "state.db"));
  try {
    const statement = database.prepare(sql);
    if (statement.reader) return statement.raw().all();
    statement.run();
    return [];
  } finally {
    database.close();
  }
}

const unknownDevice: DeviceRecord = {
  devEui: "00000000a0000001",
  tenantId: "",
  tenantName: "",
  applicationId: "",
  applicationName: "",
  profileId: "",
  profileName: "",
  deviceName: "",
  tags: new Map(),
  firstSeenMs: nowMs,
  lastSeenMs: nowMs,
  lastEvent: "log",
  lastUplinkMs: undefined,
  session: undefined,
  intervalMs: undefined,
  intervalSamplesMs: [],
  gateways: new Map(),
  power: undefined,
  rowDay: undefined,
  changeRowMs: undefined,
  isRowOwed: false,
};

const knownDevice: DeviceRecord = {
  devEui: "00000000a0000002",
  tenantId: "t-1",
  tenantName: 'the "farm"',
  applicationId: "a-1",
  applicationName: "Ställe 🐄",
  profileId: "p-1",
  profileName: "EM300-TH",
  deviceName: "sensor",
  tags: new Map([
    ["__proto__", "x"],
    ["room", "r'1"],
  ]),
  firstSeenMs: nowMs - 1000,
  lastSeenMs: nowMs,
  lastEvent: "up",
  lastUplinkMs: nowMs,
  session: { devAddr: "01a44c4c", sinceMs: nowMs - 900, lastFCnt: 4_294_967_295, lastUplinkMs: nowMs },
  intervalMs: 600_000.5,
  intervalSamplesMs: [600_000, 600_001],
  gateways: new Map([
    ["0016c001f1500001", nowMs],
    ["0016c001f1500002", nowMs - 5],
  ]),
  power: {
    atMs: nowMs,
    batteryPercent: 33.5,
    externalPower: true,
    batteryUnavailable: false,
    marginDb: -3,
  },
  rowDay: 20_513,
  changeRowMs: nowMs - 60_000,
  isRowOwed: true,
};

const powerOnly: DeviceRecord = {
  ...unknownDevice,
  devEui: "00000000a0000003",
  power: {
    atMs: nowMs,
    batteryPercent: undefined,
    externalPower: undefined,
    batteryUnavailable: true,
    marginDb: undefined,
  },
};

const unknownGateway: GatewayRecord = {
  gatewayId: "0016c001f1500001",
  firstSeenMs: nowMs,
  lastSeenMs: nowMs,
  online: undefined,
  onlineSinceMs: undefined,
  stateTopics: new Map(),
  unshown: undefined,
  lastStatsMs: undefined,
  statsTimesMs: [],
  statsForgottenMs: undefined,
  statsSource: "",
  location: undefined,
};

const knownGateway: GatewayRecord = {
  gatewayId: "0016c001f1500002",
  firstSeenMs: nowMs,
  lastSeenMs: nowMs,
  online: false,
  onlineSinceMs: nowMs - 7,
  stateTopics: new Map([
    ["local eu868/gateway/0016c001f1500002/state/conn", false],
    ["local us915_0/gateway/0016c001f1500002/state/conn", true],
  ]),
  unshown: {
    shownOnline: true,
    shownSinceMs: nowMs - 70,
    timeNs: 1_772_323_200_000_000_003n,
    source: "north",
    dueMs: nowMs + 30_000,
  },
  lastStatsMs: nowMs - 9,
  statsTimesMs: [1_325_376_000_123, nowMs - 9],
  statsForgottenMs: nowMs - 7_680_000,
  statsSource: "south",
  location: { latitude: 48.1, longitude: -11.5, altitude: 0 },
};

const sum: StatsSum = {
  gatewayId: "0016c001f1500002",
  source: "north",
  bucketMs: nowMs,
  delay: 3,
  closesMs: nowMs + 1_230_000,
  count: 2,
  timesNs: [1_772_323_200_000_000_001n, 1_772_323_230_000_000_002n],
  rxReceived: 20,
  rxReceivedOk: 18,
  txReceived: 4,
  txEmitted: 2,
  txByStatus: new Map([
    ["OK", 2],
    ["TOO_LATE", 2],
  ]),
  dutyCycle: new Map([["band 1", 0.25]]),
  metadata: new Map([["model", "box"]]),
  location: { latitude: 48.1, longitude: 11.5, altitude: undefined },
};

const position = {
  journalId: "journal-a",
  seq: 77,
  logTimeMs: nowMs,
  uptimeMs: 5000,
  bootKey: 2,
  sumsFromMs: 0,
};

function changes(given: Partial<RegistryChanges>): RegistryChanges {
  return {
    devices: [],
    gateways: [],
    sums: [],
    removedDevices: [],
    removedGateways: [],
    removedSums: [],
    position,
    ...given,
  };
}

describe("the registry in state.db", () => {
  test("a new file holds nothing, not even a position", (t) => {
    const { registry } = open(t, folder(t));
    assert.deepEqual(registry.load(), { devices: [], gateways: [], sums: [], position: undefined });
    assert.equal(registry.evicted, 0);
  });

  test("records come back as they were saved, whatever is known or not, also by another process", (t) => {
    const dir = folder(t);
    const devices = [unknownDevice, knownDevice, powerOnly];
    const gateways = [unknownGateway, knownGateway];
    const sums = [sum, { ...sum, delay: 4, location: undefined }];
    const state = State.open(dir, nowMs);
    state.registry.save(changes({ devices, gateways, sums }));
    assert.equal(state.registry.load().devices.length, 0, "what the file held when it was opened");
    assert.deepEqual(state.registry.load(), { devices, gateways, sums, position });
    state.close();
    assert.deepEqual(open(t, dir).registry.load(), { devices, gateways, sums, position });
  });

  test("a file of before statistics were remembered is opened, and what it knew of copies is known", (t) => {
    const dir = folder(t);
    const old = new Database(join(dir, "state.db"));
    for (const migration of stateTables.migrations.slice(0, 2)) old.exec(migration);
    old.exec(`INSERT INTO gateway (gateway_id, first_seen_ms, last_seen_ms, online, last_stats_ms)
      VALUES ('0016c001f1500001', ${nowMs}, ${nowMs}, 1, ${nowMs - 9}), ('0016c001f1500002', ${nowMs}, ${nowMs}, NULL, NULL)`);
    old.pragma(`application_id = ${stateTables.applicationId}`);
    old.pragma("user_version = 2");
    old.close();
    const opened = open(t, dir);
    assert.deepEqual(opened.openingFaults, []);
    assert.deepEqual(opened.registry.load().gateways, [
      { ...unknownGateway, online: true, lastStatsMs: nowMs - 9, statsForgottenMs: nowMs - 9 },
      { ...unknownGateway, gatewayId: "0016c001f1500002" },
    ]);
    opened.registry.save(changes({ gateways: [knownGateway] }));
    assert.deepEqual(opened.registry.load().gateways[1], knownGateway);
  });

  test("a later save replaces what it names, removes what it says and leaves the rest", (t) => {
    const dir = folder(t);
    const { registry } = open(t, dir);
    const gateways = [unknownGateway, knownGateway];
    registry.save(changes({ devices: [unknownDevice, knownDevice, powerOnly], gateways, sums: [sum] }));
    const renamed = { ...knownDevice, deviceName: "moved", session: undefined };
    registry.save(
      changes({
        devices: [renamed],
        removedDevices: [powerOnly.devEui],
        removedGateways: [unknownGateway.gatewayId],
        removedSums: [sum],
        position: { ...position, seq: 99 },
      }),
    );
    registry.load();
    assert.deepEqual(registry.load(), {
      devices: [unknownDevice, renamed],
      gateways: [knownGateway],
      sums: [],
      position: { ...position, seq: 99 },
    });
    assert.equal(registry.evicted, 2);
  });

  test("how many had to leave is known after a restart", (t) => {
    const dir = folder(t);
    const state = State.open(dir, nowMs);
    state.registry.save(changes({ removedDevices: ["a", "b"] }));
    state.registry.save(changes({ removedGateways: ["c"] }));
    state.close();
    assert.equal(open(t, dir).registry.evicted, 3);
  });

  test("people find the columns that they look for", (t) => {
    const dir = folder(t);
    open(t, dir).registry.save(changes({ devices: [knownDevice], gateways: [knownGateway] }));
    const device = `SELECT device_name, last_seen_ms, interval_ms, dev_addr, last_f_cnt, battery_percent,
      external_power, tags ->> 'room', gateways ->> '0016c001f1500001' FROM device`;
    assert.deepEqual(query(dir, device), [
      ["sensor", nowMs, 600_000.5, "01a44c4c", 4_294_967_295, 33.5, 1, "r'1", nowMs],
    ]);
    assert.deepEqual(query(dir, "SELECT online, latitude FROM gateway"), [[0, 48.1]]);
  });

  test("a row that somebody has edited out of shape is left out, and the others are there", (t) => {
    const dir = folder(t);
    const state = State.open(dir, nowMs);
    state.registry.save(changes({ devices: [unknownDevice, knownDevice], gateways: [knownGateway] }));
    state.close();
    query(dir, `UPDATE device SET tags = '{"room' WHERE dev_eui = '${unknownDevice.devEui}'`);
    const { devices, gateways } = open(t, dir).registry.load();
    assert.deepEqual(devices, [knownDevice]);
    assert.deepEqual(gateways, [knownGateway]);
  });

  test("a file that is damaged in the registry is moved aside when it is opened", (t) => {
    const dir = folder(t);
    const state = State.open(dir, nowMs);
    const devices = Array.from({ length: 500 }, (_, n) => ({ ...knownDevice, devEui: `device-${n}` }));
    state.registry.save(changes({ devices }));
    state.close();
    const file = join(dir, "state.db");
    const [root] = query(dir, "SELECT rootpage FROM sqlite_schema WHERE name = 'device'");
    const page = Number(Array.isArray(root) ? root[0] : undefined);
    const bytes = Buffer.alloc(statSync(file).size);
    const whole = new Database(file).serialize();
    whole.copy(bytes);
    bytes.fill(0xff, (page - 1) * 4096, page * 4096);
    writeFileSync(file, bytes);
    const opened = open(t, dir);
    assert.deepEqual(
      opened.openingFaults.map(({ code }) => code),
      ["database_moved_aside"],
    );
    assert.deepEqual(opened.registry.load().devices, []);
    assert.ok(readdirSync(dir).some((name) => name.startsWith("state.db.unusable-")));
  });
});

/** Of databases that are opened from now on: every transaction fails, once `error` is there. */
function failingTransactions(t: TestContext): { error: Error | undefined; count: number } {
  const failing: { error: Error | undefined; count: number } = { error: undefined, count: 0 };
  const transaction = Reflect.get(Database.prototype, "transaction") as (body: () => void) => () => void;
  t.mock.method(Database.prototype, "transaction", function (this: Database.Database, body: () => void) {
    const execute = transaction.call(this, body);
    return (...values: []): void => {
      if (failing.error === undefined) return execute(...values);
      failing.count += 1;
      throw failing.error;
    };
  });
  return failing;
}

describe("a save that fails", () => {
  test("while another program holds the file: nothing is stored, and it is to be tried again", (t) => {
    const dir = folder(t);
    const { registry } = open(t, dir);
    registry.save(changes({ devices: [unknownDevice] }));
    const other = new Database(join(dir, "state.db"));
    other.exec("BEGIN IMMEDIATE");
    const later = changes({ devices: [knownDevice], removedDevices: [unknownDevice.devEui] });
    assert.throws(
      () => {
        registry.save(later);
      },
      { code: "registry_unsaved", disposition: "retry" },
    );
    other.exec("ROLLBACK");
    other.close();
    registry.load();
    assert.deepEqual(registry.load().devices, [unknownDevice]);
    assert.equal(registry.evicted, 0);
    registry.save(later);
    assert.deepEqual(registry.load().devices, [knownDevice]);
  });

  test("for a full disk: the same, and the fault says whose space is missing", (t) => {
    const failing = failingTransactions(t);
    const { registry } = open(t, folder(t));
    failing.error = Object.assign(new Error("database or disk is full"), { code: "SQLITE_FULL" });
    assert.throws(
      () => {
        registry.save(changes({ devices: [unknownDevice] }));
      },
      { code: "registry_unsaved", disposition: "retry", hint: /free space/ },
    );
    assert.equal(failing.count, 1);
  });

  test("for a disk that fails: the process must start again", (t) => {
    const failing = failingTransactions(t);
    const { registry } = open(t, folder(t));
    failing.error = Object.assign(new Error("disk I/O error"), { code: "SQLITE_IOERR_WRITE" });
    assert.throws(
      () => {
        registry.save(changes({}));
      },
      { code: "journal_write_failed", disposition: "restart" },
    );
  });

  test("what does not fit its column leaves everything as it was", (t) => {
    const { registry } = open(t, folder(t));
    const wrong = { ...knownGateway, lastSeenMs: 0.5 };
    assert.throws(
      () => {
        registry.save(changes({ devices: [knownDevice], gateways: [wrong] }));
      },
      { disposition: "restart" },
    );
    registry.load();
    assert.deepEqual(registry.load(), { devices: [], gateways: [], sums: [], position: undefined });
  });
});

test("ten thousand devices are saved and loaded", (t) => {
  const dir = folder(t);
  const state = State.open(dir, nowMs);
  const devices = Array.from({ length: 10_000 }, (_, n) => ({
    ...knownDevice,
    devEui: n.toString(16).padStart(16, "0"),
  }));
  const startedMs = performance.now();
  for (let at = 0; at < devices.length; at += 2000) {
    state.registry.save(changes({ devices: devices.slice(at, at + 2000) }));
  }
  const savedMs = performance.now();
  state.close();
  const again = open(t, dir);
  const { devices: loaded } = again.registry.load();
  t.diagnostic(
    `10,000 devices: saved in 5 parts in ${Math.round(savedMs - startedMs)} ms, ` +
      `opened and loaded in ${Math.round(performance.now() - savedMs)} ms, ` +
      `${Math.round(statSync(join(dir, "state.db")).size / 1024)} KiB`,
  );
  assert.equal(loaded.length, 10_000);
  assert.deepEqual(loaded.at(-1), devices.at(-1));
});
