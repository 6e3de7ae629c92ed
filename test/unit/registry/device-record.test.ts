import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import type { DeviceEvent, DeviceInfo } from "../../../src/chirpstack/event.ts";
import type { DeviceRecord } from "../../../src/registry/records.ts";
import {
  dayMs,
  device,
  gatewayId,
  hourMs,
  join,
  learn,
  log,
  midnightMs,
  minuteMs,
  observe,
  reception,
  seenAt,
  status,
  timeMsOf,
  uplink,
} from "./samples.ts";

const noonMs = midnightMs + 12 * hourMs;

const known = (): DeviceRecord => learn([uplink(noonMs, 10)]);
const renamed = (deviceName: string): DeviceInfo => ({ ...device, deviceName });

describe("what an event teaches", () => {
  test("the first event of a device makes a record with all that it says, and a row", () => {
    const { record, rowDue } = observe(undefined, uplink(noonMs, 10), seenAt(noonMs));
    assert.deepEqual(record, {
      ...device,
      firstSeenMs: noonMs,
      lastSeenMs: noonMs,
      lastEvent: "up",
      lastUplinkMs: noonMs,
      session: { devAddr: "01a44c4c", sinceMs: noonMs, lastFCnt: 10, lastUplinkMs: noonMs },
      intervalMs: undefined,
      intervalSamplesMs: [],
      gateways: new Map([[gatewayId, noonMs]]),
      power: undefined,
      rowDay: midnightMs / dayMs,
      changeRowMs: undefined,
      isRowOwed: false,
    });
    assert.equal(rowDue, true);
  });

  test("any kind of event proves life; only an uplink is one", () => {
    const kinds = [join(noonMs + 1, "01a44c4c"), log(noonMs + 1), status(noonMs + 1)];
    for (const event of kinds) {
      const record = learn([event], known());
      assert.equal(record.lastSeenMs, noonMs + 1, event.kind);
      assert.equal(record.lastEvent, event.kind);
      assert.equal(record.lastUplinkMs, noonMs);
    }
  });

  test("a status tells of power, and an older one does not replace a newer one", () => {
    const record = learn([status(noonMs + 5), status(noonMs + 1, { batteryPercent: 12 })], known());
    assert.deepEqual(record.power, {
      atMs: noonMs + 5,
      batteryPercent: 88.3,
      externalPower: false,
      batteryUnavailable: false,
      marginDb: 9,
    });
  });

  test("records are not changed in place, and what teaches nothing returns the record itself", () => {
    const before = known();
    const copy = structuredClone(before);
    learn([uplink(noonMs + minuteMs, 11, { device: renamed("x") }), status(noonMs + 2)], before);
    assert.deepEqual(before, copy);
    assert.equal(learn([uplink(noonMs, 10)], before), before);
  });
});

describe("facts and rows", () => {
  const at = noonMs + minuteMs;
  const cases: readonly (readonly [string, DeviceEvent, boolean])[] = [
    ["nothing new", uplink(at, 11), false],
    ["another name", uplink(at, 11, { device: renamed("barn 8") }), true],
    ["another profile", uplink(at, 11, { device: { ...device, profileId: "p2" } }), true],
    ["another application", uplink(at, 11, { device: { ...device, applicationId: "a2" } }), true],
    ["another tenant", uplink(at, 11, { device: { ...device, tenantName: "t2" } }), true],
    ["another tag", uplink(at, 11, { device: { ...device, tags: new Map([["floor", "2"]]) } }), true],
    [
      "a tag that no row has",
      uplink(at, 11, { device: { ...device, tags: new Map([...device.tags, ["owner", "M. Muster"]]) } }),
      false,
    ],
    ["no tags any more", uplink(at, 11, { device: { ...device, tags: new Map() } }), true],
    [
      "tags in another order",
      uplink(at, 11, { device: { ...device, tags: new Map([...device.tags].toReversed()) } }),
      false,
    ],
    ["a name that the dialect does not say", uplink(at, 11, { device: renamed("") }), false],
    ["an event that does not tell tags", { ...log(at), device: { ...device, tags: new Map() } }, false],
    ["another address", uplink(at, 0, { devAddr: "01ffffff" }), false],
    ["another gateway", uplink(at, 11, { receptions: [reception("b0")] }), false],
    ["a battery level", status(at), false],
  ];
  for (const [name, event, expected] of cases) {
    test(`${name}: ${expected ? "a row" : "no row"}`, () => {
      const { record, rowDue } = observe(known(), event, seenAt(timeMsOf(event)));
      assert.equal(rowDue, expected);
      assert.equal(record.rowDay, midnightMs / dayMs);
    });
  }

  test("the first event of a UTC day wants a row, and the next one does not", () => {
    const tomorrow = midnightMs + dayMs;
    const last = observe(known(), log(tomorrow - 1), seenAt(tomorrow - 1));
    assert.equal(last.rowDue, false);
    const first = observe(last.record, log(tomorrow), seenAt(tomorrow));
    assert.equal(first.rowDue, true);
    assert.equal(first.record.rowDay, tomorrow / dayMs);
    assert.equal(observe(first.record, log(tomorrow + 1), seenAt(tomorrow + 1)).rowDue, false);
    const late = observe(first.record, log(noonMs + 1), seenAt(noonMs + 1, { receivedMs: tomorrow + 2 }));
    assert.equal(late.rowDue, false);
  });

  test("the first interval that is learned wants a row, and later ones do not", () => {
    let record: DeviceRecord | undefined;
    const due = [0, 1, 2, 3, 5, 8].map((step) => {
      const event = uplink(noonMs + step * minuteMs + (step > 3 ? 30_000 : 0), 10 + step);
      const observation = observe(record, event, seenAt(timeMsOf(event)));
      ({ record } = observation);
      return [observation.rowDue, record.intervalMs];
    });
    assert.deepEqual(due, [
      [true, undefined],
      [false, undefined],
      [false, undefined],
      [true, minuteMs],
      [false, 1.0625 * minuteMs],
      [false, 1.05 * minuteMs],
    ]);
  });

  test("two network servers that call it differently make one row an hour, not one with each event", () => {
    let record = known();
    const rows: (readonly [number, string])[] = [];
    for (let minute = 1; minute <= 180; minute += 1) {
      const atMs = noonMs + minute * minuteMs;
      const event = uplink(atMs, 10 + minute, { device: renamed(minute % 2 === 0 ? "barn 7" : "b-007") });
      const observation = observe(record, event, seenAt(atMs));
      record = observation.record;
      if (observation.rowDue) rows.push([minute, record.deviceName]);
    }
    assert.deepEqual(rows, [
      [1, "b-007"],
      // The first interval that is known.
      [3, "b-007"],
      [61, "b-007"],
      [121, "b-007"],
    ]);
  });

  test("a change within the hour is owed: the next event after it makes the row, once", () => {
    const at = (minutes: number, deviceName: string, fCnt: number) =>
      [
        uplink(noonMs + minutes * minuteMs, fCnt, { device: renamed(deviceName) }),
        seenAt(noonMs + minutes * minuteMs),
      ] as const;
    const first = observe(known(), ...at(1, "b", 11));
    const second = observe(first.record, ...at(30, "c", 12));
    const third = observe(second.record, ...at(62, "c", 13));
    const fourth = observe(third.record, ...at(200, "c", 14));
    assert.deepEqual(
      [first, second, third, fourth].map(({ rowDue, record }) => [rowDue, record.isRowOwed]),
      [
        [true, false],
        [false, true],
        [true, false],
        [false, false],
      ],
    );
  });

  test("the row of a new day says what was owed, and does not count as one of a change", () => {
    const tomorrow = midnightMs + dayMs;
    const events = [
      [tomorrow - 30 * minuteMs, "b"],
      [tomorrow - 20 * minuteMs, "c"],
      [tomorrow, "c"],
      [tomorrow + minuteMs, "c"],
      [tomorrow + 40 * minuteMs, "d"],
    ] as const;
    let record = known();
    const due = events.map(([atMs, name], index) => {
      const observation = observe(record, uplink(atMs, 20 + index, { device: renamed(name) }), seenAt(atMs));
      record = observation.record;
      return observation.rowDue;
    });
    assert.deepEqual(due, [true, false, true, false, true]);
  });

  test("an event of a backlog does not bring an old name back", () => {
    const record = learn([uplink(noonMs + hourMs, 20, { device: renamed("new") })], known());
    const late = observe(
      record,
      uplink(noonMs + minuteMs, 11, { device: renamed("old") }),
      seenAt(noonMs + minuteMs, { receivedMs: noonMs + hourMs }),
    );
    assert.equal(late.record.deviceName, "new");
    assert.equal(late.rowDue, false);
  });

  test("tags of rows are kept as rows have them, however many others there are", () => {
    const others = Array.from({ length: 64 }, (_, index) => [`tag-${100 + index}`, "v"] as const);
    const long = "z".repeat(2000);
    const tags = new Map<string, string>([...others, ["zone", "north\n7"], ["zonk", long]]);
    const event = uplink(noonMs, 1, { device: { ...device, tags } });
    const { record } = observe(undefined, event, seenAt(noonMs), ["zone", "zonk", "absent"]);
    assert.equal(record.tags.size, 64);
    assert.equal(record.tags.get("zone"), "north 7");
    assert.equal(record.tags.get("zonk"), long.slice(0, 1024));
    assert.deepEqual([record.tags.has("tag-161"), record.tags.has("tag-162")], [true, false]);
    const moved = uplink(noonMs + 1, 2, {
      device: { ...device, tags: new Map([...tags, ["zone", "south"]]) },
    });
    const next = observe(record, moved, seenAt(noonMs + 1), ["zone", "zonk"]);
    assert.deepEqual([next.rowDue, next.record.tags.get("zone")], [true, "south"]);
  });

  test("a tag that no row has is learned all the same", () => {
    const tags = new Map([...device.tags, ["owner", "M. Muster"]]);
    const record = learn([uplink(at, 11, { device: { ...device, tags } })], known());
    assert.equal(record.tags.get("owner"), "M. Muster");
    assert.equal(record.isRowOwed, false);
  });

  test("texts and tags are bounded, the same ones each time, and what was kept is not news", () => {
    const many = Array.from({ length: 200 }, (_, index) => [`tag-${index}`, "v".repeat(1000)] as const);
    // An emoji across the limit, and half of one.
    const deviceName = `${"n".repeat(255)}🐄 and \ud83d`;
    const huge = { ...device, deviceName, profileName: "\udc04", tags: new Map(many) };
    const record = learn([uplink(noonMs, 1, { device: huge })]);
    assert.equal(record.tags.size, 64);
    for (const [key, value] of record.tags) assert.ok(key.length <= 256 && value.length === 256);
    assert.equal(record.deviceName, "n".repeat(255));
    assert.equal(record.profileName, "\ufffd");
    const again = { ...huge, tags: new Map(many.toReversed()) };
    const { rowDue } = observe(record, uplink(noonMs + 1, 2, { device: again }), seenAt(noonMs + 1));
    assert.equal(rowDue, false);
  });
});

describe("retained messages", () => {
  const retained = (record: DeviceRecord | undefined, event: DeviceEvent, receivedMs: number) =>
    observe(record, event, seenAt(timeMsOf(event), { receivedMs, isRetained: true }));

  test("teach names, and neither life nor counters nor gateways", () => {
    const before = known();
    const event = uplink(noonMs + hourMs, 20, { device: renamed("new"), receptions: [reception("b0")] });
    const { record, rowDue } = retained(before, event, noonMs + 2 * hourMs);
    assert.deepEqual(record, { ...before, deviceName: "new", changeRowMs: noonMs + hourMs });
    assert.equal(rowDue, true);
    const powered = retained(before, status(noonMs + hourMs), noonMs + 2 * hourMs);
    assert.equal(powered.record, before);
    assert.equal(powered.rowDue, false);
  });

  test("do not make the row of a new day", () => {
    const nextDay = uplink(noonMs + dayMs, 20);
    assert.equal(retained(known(), nextDay, noonMs + dayMs).rowDue, false);
  });

  test("of a device that we do not know make a record, which a live event goes on from", () => {
    const first = retained(undefined, uplink(noonMs, 5), noonMs + dayMs);
    assert.equal(first.rowDue, true);
    assert.equal(first.record.lastSeenMs, noonMs);
    assert.equal(first.record.session, undefined);
    assert.equal(first.record.lastUplinkMs, undefined);
    assert.equal(retained(first.record, uplink(noonMs, 5), noonMs + 2 * dayMs).record, first.record);
    const live = observe(first.record, uplink(noonMs + dayMs, 5), seenAt(noonMs + dayMs));
    assert.equal(live.rowDue, true);
    assert.equal(live.record.lastUplinkMs, noonMs + dayMs);
  });
});

describe("times", () => {
  test("last seen never goes back, whatever comes in whatever order", () => {
    const event = fc.record({
      kind: fc.constantFrom("up" as const, "log" as const, "status" as const, "join" as const),
      minutes: fc.integer({ min: -5000, max: 5000 }),
      fCnt: fc.option(fc.nat(20), { nil: undefined }),
      isRetained: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(event, { minLength: 1, maxLength: 30 }), (steps) => {
        let record: DeviceRecord | undefined;
        for (const { kind, minutes, fCnt, isRetained } of steps) {
          const at = noonMs + minutes * minuteMs;
          const up = uplink(at, 0, { fCnt });
          const made = { up, log: log(at), status: status(at), join: join(at, "02") };
          const seen = seenAt(at, { receivedMs: noonMs + 5000 * minuteMs, isRetained });
          const before = record;
          record = observe(record, made[kind], seen).record;
          if (before === undefined) continue;
          assert.ok(record.lastSeenMs >= before.lastSeenMs);
          assert.ok((record.lastUplinkMs ?? 0) >= (before.lastUplinkMs ?? 0));
          if (isRetained) assert.equal(record.lastSeenMs, before.lastSeenMs);
        }
      }),
      { seed: 7 },
    );
  });

  test("a time far after the receipt, believed while no clock was trusted, does not hold the record up", () => {
    const wrongMs = noonMs + 365 * dayMs;
    const { record } = observe(undefined, uplink(wrongMs, 1), seenAt(wrongMs, { receivedMs: noonMs }));
    assert.equal(record.lastSeenMs, noonMs + 2 * minuteMs);
    const later = learn([uplink(noonMs + hourMs, 2)], record);
    assert.equal(later.lastSeenMs, noonMs + hourMs);
    assert.equal(later.session?.lastFCnt, 2);
  });
});

describe("gateways", () => {
  test("the newest sixteen are kept, whatever the order in which their receptions come", () => {
    const heard = fc.uniqueArray(fc.record({ minute: fc.nat(200), gateway: fc.nat(40) }), {
      selector: ({ minute }) => minute,
      minLength: 20,
      maxLength: 60,
    });
    fc.assert(
      fc.property(
        heard,
        fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
        (hearings, random) => {
          const newest = new Map<string, number>();
          for (const { minute, gateway } of hearings) {
            const atMs = noonMs + minute * minuteMs;
            newest.set(`gw-${gateway}`, Math.max(newest.get(`gw-${gateway}`) ?? atMs, atMs));
          }
          const expected = [...newest].toSorted(([, a], [, b]) => b - a).slice(0, 16);
          const events = hearings
            .map(({ minute, gateway }) =>
              uplink(noonMs + minute * minuteMs, minute, { receptions: [reception(`gw-${gateway}`)] }),
            )
            .map((event) => ({ event, order: random.next().value }))
            .toSorted((a, b) => a.order - b.order)
            .map(({ event }) => event);
          assert.deepEqual([...learn(events).gateways], expected);
        },
      ),
      { seed: 8 },
    );
  });

  test("a reception that names no gateway is none, and twenty at once are sixteen", () => {
    const receptions = [reception(""), ...Array.from({ length: 20 }, (_, index) => reception(`gw-${index}`))];
    const { gateways } = learn([uplink(noonMs, 1, { receptions })]);
    assert.equal(gateways.size, 16);
    assert.equal(gateways.has(""), false);
  });
});
