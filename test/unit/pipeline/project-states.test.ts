/** Connection states that a broker delivers again, and where rows of the registry go. */
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import type { Status } from "../../../src/chirpstack/event.ts";
import type { IncomingMessage } from "../../../src/journal/message.ts";
import { conn, minuteMs, received, startMs, stats, status, timeMark, uplink } from "./project-events.ts";
import { dataFolder, journalled, live, ownFacts, ownRows, storedRegistry } from "./project-fixture.ts";

const gatewayId = "0016c001f1500001";

/** Received at these seconds. */
function said(online: boolean, second: number, changes: Partial<IncomingMessage> = {}): IncomingMessage {
  return received(conn(online, gatewayId), startMs + second * 1000, changes);
}

function saidAgain(online: boolean, second: number): IncomingMessage {
  return said(online, second, { duplicate: true });
}

function passed(second: number): IncomingMessage {
  return timeMark(startMs + second * 1000);
}

/** The states in the rows, and the second of each. */
function shown(dir: string): unknown[][] {
  return ownRows(dir)
    .filter(({ table }) => table === "gateway_event")
    .map(({ fields, timeNs }) => [fields[0]?.value, Number(timeNs / 1_000_000_000n) - startMs / 1000]);
}

function known(dir: string): unknown[] {
  const gateway = storedRegistry(dir).gateways.find((each) => each.gatewayId === gatewayId);
  const { online, onlineSinceMs = 0, unshown } = gateway ?? {};
  return [online, Math.floor((onlineSinceMs - startMs) / 1000), unshown === undefined];
}

describe("retained states of a gateway that has moved to another region", () => {
  const retained = (online: boolean, region: string, second: number): IncomingMessage =>
    said(online, second, { topic: `${region}/gateway/${gatewayId}/state/conn`, retained: true });
  const lived = (online: boolean, region: string, second: number): IncomingMessage =>
    said(online, second, { topic: `${region}/gateway/${gatewayId}/state/conn` });

  test("make no row at a restart, in whatever order the broker hands them out, while nothing has changed", async (t) => {
    const starts = [
      [retained(true, "eu868", 0), retained(false, "us915_0", 1)],
      [retained(false, "us915_0", 10), retained(true, "eu868", 11)],
      [retained(true, "eu868", 20), retained(false, "us915_0", 21)],
    ];
    const dir = dataFolder(t);
    journalled(dir, starts.flat());
    await live(t, dir);
    assert.deepEqual(shown(dir), []);
    assert.deepEqual(known(dir).slice(0, 1), [true]);
  });

  test("tell of what happened while we were away", async (t) => {
    const dir = dataFolder(t);
    journalled(dir, [
      lived(true, "us915_0", 0),
      lived(false, "us915_0", 5),
      lived(true, "eu868", 6),
      retained(false, "us915_0", 20),
      retained(false, "eu868", 21),
    ]);
    await live(t, dir);
    assert.deepEqual(shown(dir), [
      [true, 0],
      [false, 5],
      [true, 6],
      [false, 21],
    ]);
  });

  test("bring it back when the new one is heard of for the first time", async (t) => {
    const dir = dataFolder(t);
    journalled(dir, [lived(true, "us915_0", 0), retained(false, "us915_0", 20), retained(true, "eu868", 21)]);
    await live(t, dir);
    assert.deepEqual(shown(dir).slice(1), [
      [false, 20],
      [true, 21],
    ]);
  });
});

describe("connection states with DUP", () => {
  interface Case {
    readonly name: string;
    readonly messages: readonly IncomingMessage[];
    readonly rows: readonly (readonly [boolean, number])[];
    readonly last: readonly [boolean, number];
  }
  const cases: readonly Case[] = [
    {
      name: "of an outage that is known show no second one",
      messages: [said(true, 0), said(false, 5), saidAgain(true, 9), saidAgain(false, 9), passed(60)],
      rows: [
        [true, 0],
        [false, 5],
      ],
      last: [false, 5],
    },
    {
      name: "of a blip that is known show no second one, whatever comes after it",
      messages: [
        said(true, 0),
        said(false, 5),
        said(true, 6),
        saidAgain(true, 9),
        saidAgain(false, 9),
        saidAgain(true, 9),
        said(true, 10),
        passed(60),
      ],
      rows: [
        [true, 0],
        [false, 5],
        [true, 6],
      ],
      last: [true, 6],
    },
    {
      name: "of a gateway that is gone for good are shown once time has passed, at the time of their receipt",
      messages: [said(true, 0), saidAgain(false, 9), passed(38), passed(40)],
      rows: [
        [true, 0],
        [false, 9],
      ],
      last: [false, 9],
    },
    {
      name: "are shown before the next state that is none",
      messages: [said(true, 0), saidAgain(false, 9), said(true, 10), passed(60)],
      rows: [
        [true, 0],
        [false, 9],
        [true, 10],
      ],
      last: [true, 10],
    },
    {
      name: "are shown where the next one, without DUP, says the same",
      messages: [said(true, 0), saidAgain(false, 9), said(false, 10), passed(60)],
      rows: [
        [true, 0],
        [false, 9],
      ],
      last: [false, 9],
    },
    {
      name: "are shown of a gateway that nobody knows",
      messages: [saidAgain(true, 1), saidAgain(false, 2), passed(60)],
      rows: [[false, 2]],
      last: [false, 2],
    },
    {
      name: "are shown where the clock is put back by a year meanwhile",
      messages: [said(true, 0), saidAgain(false, 9), passed(-400 * 86_400)],
      rows: [
        [true, 0],
        [false, 9],
      ],
      last: [false, 9],
    },
  ];
  for (const { name, messages, rows, last } of cases) {
    test(name, async (t) => {
      for (let cut = 0; cut < messages.length; cut += 1) {
        const dir = dataFolder(t);
        journalled(dir, messages.slice(0, cut));
        await live(t, dir);
        journalled(dir, messages.slice(cut));
        await live(t, dir);
        assert.deepEqual(shown(dir), rows, `with a stop after ${cut}`);
        assert.deepEqual(known(dir), [...last, true]);
      }
    });
  }

  test("are known at once, before a row shows them", async (t) => {
    const dir = dataFolder(t);
    journalled(dir, [said(true, 0), saidAgain(false, 9)]);
    await live(t, dir);
    assert.deepEqual(shown(dir), [[true, 0]]);
    assert.deepEqual(known(dir), [false, 9, false]);
  });

  test("of several gateways are shown each in its time", async (t) => {
    const dir = dataFolder(t);
    const other = "0016c001f1500002";
    journalled(dir, [
      said(true, 0),
      received(conn(true, other), startMs),
      saidAgain(false, 5),
      received(conn(false, other), startMs + 10_000, { duplicate: true }),
      saidAgain(true, 20),
      saidAgain(false, 21),
    ]);
    await live(t, dir);
    for (const [second, expected] of [
      [41, [[false, 10]]],
      [
        52,
        [
          [false, 10],
          [false, 21],
        ],
      ],
    ] as const) {
      journalled(dir, [passed(second)]);
      await live(t, dir);
      assert.deepEqual(shown(dir).slice(2), expected, `after ${second} s`);
    }
  });
});

describe("where rows of the registry go", () => {
  async function factsOf(t: TestContext, messages: readonly IncomingMessage[]) {
    const dir = dataFolder(t);
    journalled(dir, messages);
    await live(t, dir);
    return ownFacts(dir);
  }

  test("sums and states of a gateway: by the source alone", async (t) => {
    const north = { source: "north" };
    const facts = await factsOf(t, [
      received(stats(startMs), startMs, north),
      received(conn(true), startMs + minuteMs, { source: "south" }),
      received(conn(false), startMs + 2 * minuteMs, { ...north, duplicate: true }),
      timeMark(startMs + 6 * minuteMs),
    ]);
    const nothing = { tenantId: "", tenantName: "", applicationId: "", applicationName: "" };
    assert.deepEqual(
      facts.map(({ source, ...others }) => [source, others]),
      [
        ["south", nothing],
        ["north", nothing],
      ],
    );
  });

  test("a known device: by what is known, where the event does not say it", async (t) => {
    const dayMs = 1440 * minuteMs;
    const full = status(1, startMs + dayMs, 80);
    const unsaid = { tenantId: "", tenantName: "", applicationId: "", applicationName: "" };
    const bare: Status = { ...full, device: { ...full.device, ...unsaid } };
    const facts = await factsOf(t, [
      received(uplink(1, startMs, 1), startMs),
      received(bare, startMs + dayMs, { source: "south" }),
    ]);
    const barns = { tenantId: "t-1", tenantName: "farm", applicationId: "a-1", applicationName: "barns" };
    assert.deepEqual(facts, [
      { source: "mqtt", ...barns },
      { source: "south", ...barns },
    ]);
  });

  test("and a device's row has the tag of its uplinks, behind however many others", async (t) => {
    const dir = dataFolder(t);
    const up = uplink(1, startMs, 1);
    const others = Array.from({ length: 65 }, (_, n) => [`a-${100 + n}`, "x"] as const);
    const tags = new Map([...others, ["room", "r".repeat(300)]] as const);
    journalled(dir, [received({ ...up, device: { ...up.device, tags } }, startMs)]);
    await live(t, dir);
    const [row] = ownRows(dir);
    assert.deepEqual(row?.tags.at(-1), { name: "room", value: "r".repeat(300) });
  });
});
