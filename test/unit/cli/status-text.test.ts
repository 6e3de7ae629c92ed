import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { colours, columns, duration, noColours } from "../../../src/cli/status-layout.ts";
import { statusLines } from "../../../src/cli/status-text.ts";
import { type Verdict, verdictOf } from "../../../src/cli/status-verdict.ts";
import type { Layer } from "../../../src/lib/fault.ts";
import type { DaemonStatus, UnitStatus } from "../../../src/status/daemon-status.ts";
import { daemonStatus, part, startedAtMs } from "../status/fixture.ts";

const nowMs = startedAtMs + 273_600_000;

function linesOf(status: DaemonStatus, all = false): string[] {
  return statusLines(status, verdictOf(status), { all, paint: noColours, nowMs });
}

function trouble(layer: Layer, code: string, where: string): DaemonStatus["troubles"][number] {
  return { layer, code, where, severity: "bad", message: `${where} fails`, hint: `mend ${where}` };
}

function unit(name: string, changes: Partial<UnitStatus> = {}): UnitStatus {
  return {
    unit: `${name}.service`,
    isOurs: name === "flightline",
    activeState: "active",
    subState: "running",
    result: "success",
    restarts: 0,
    lastExit: undefined,
    sinceAtMs: nowMs - 720_000,
    isLooping: false,
    ...changes,
  };
}

const loop: Partial<UnitStatus> = {
  activeState: "activating",
  subState: "auto-restart",
  result: "exit-code",
  restarts: 51,
  lastExit: "exited 2",
  isLooping: true,
};

const crash = { code: "part_failed", message: `the part "node" failed through a bug: x`, hint: "report it" };

describe("the whole of it", () => {
  test("when all is well", () => {
    const units = [unit("mosquitto"), unit("flightline")];
    assert.deepEqual(linesOf(daemonStatus({ units })), [
      "Flightline is well.",
      "",
      "  mode       normal",
      "  node       barn-7",
      "  uptime     3 d 4 h, since 2026-03-01 10:22 UTC, pid 812",
      "  version    flightline 0.1.0, Node.js v24.21.0",
      "  memory     112.3 MiB; event loop at most 12 ms late",
      "  systemd    told through libsystemd, watchdog 1 min",
      "  journal    /var/lib/flightline",
      "",
      "  brokers    mqtt  connected  1 connect",
      "  databases  lorawan  up",
      "  backlog    10 messages, oldest from 3.2 s ago, 2 not committed yet",
      "  rates      12.4/s received, 12.1/s written, over the last minute",
      "  latency    p50 34 ms, p99 1.2 s; last commit 0.8 ms",
      "  counts     5,000 received, 4,990 written, 20 devices, 3 gateways",
      "",
      "  parts      3 of 3 running",
      "  starts     no run before this one is known",
      "  units      mosquitto   active (running)  0 restarts  for 12 min",
      "             flightline  active (running)  0 restarts  for 12 min",
    ]);
  });

  test("the process behind queries has lines of its own once it was needed", () => {
    const { streams } = daemonStatus();
    const linesAbout = (changes: Partial<typeof streams>, all = false): string[] => {
      const lines = linesOf(daemonStatus({ streams: { ...streams, ...changes } }), all);
      const from = lines.findIndex((line) => line.startsWith("  queries"));
      return from < 0
        ? []
        : lines.slice(
            from,
            lines.findIndex((line) => line.startsWith("  parts")),
          );
    };
    assert.deepEqual(linesAbout({}), []);
    assert.deepEqual(linesAbout({}, true), [
      "  queries    no process is needed now",
      "             0 answered, 0 failed",
    ]);
    const refused = { code: "flight_unauthorized", message: "the token is not accepted", hint: "set it" };
    const counts = { underWay: 2, waiting: 1, answered: 12_000, faulted: 3, parked: 1 };
    const queries = { ...counts, lastFault: refused };
    const died = { code: "streams_died", message: "the streams process died", hint: "ask again" };
    assert.deepEqual(
      linesAbout({
        state: "running",
        pid: 900,
        residentBytes: 84_000_000,
        starts: 4,
        failures: 2,
        lastFault: died,
        queries,
      }),
      [
        "  queries    process 900 running, 80.1 MiB, it ended badly 2 times",
        "               the streams process died [streams_died]",
        "             12,000 answered, 3 failed, 2 under way, 1 waiting",
        "               the token is not accepted [flight_unauthorized]",
        "             1 refused for a while: the process died of it twice",
      ],
    );
  });

  test("what is only doubtful does not make a daemon that writes look broken, and is not passed over", () => {
    const doubt = { ...trouble("config", "flight_unauthorized", "lorawan"), severity: "doubtful" as const };
    const lines = linesOf(daemonStatus({ troubles: [doubt] }));
    assert.deepEqual(lines.slice(0, 3), [
      "Flightline is well, but: lorawan fails [flight_unauthorized]",
      "  mend lorawan",
      "",
    ]);
    const from = lines.findIndex((line) => line.startsWith("  databases"));
    assert.deepEqual(lines.slice(from, from + 2), [
      "  databases  lorawan  up",
      "               lorawan fails [flight_unauthorized]",
    ]);
    const away = trouble("broker", "broker_not_authorized", "farm");
    const [first, , second] = linesOf(daemonStatus({ troubles: [doubt, away] }));
    assert.match(first ?? "", /^Trouble: farm fails/);
    assert.match(second ?? "", /^Also: lorawan fails/);
    const { databases } = daemonStatus().snapshot;
    const closed = databases.map((database) => ({ ...database, state: "away" as const }));
    const [worst] = linesOf(daemonStatus({ troubles: [doubt], snapshot: { databases: closed } }));
    assert.equal(worst, 'Trouble: the database "lorawan" takes no writes');
  });

  test("the network is named, and who suffers from it only in its own line", () => {
    const network = { ...trouble("network", "dns_silent", "network"), message: "no DNS server answers" };
    const behind = (where: string) => ({
      ...trouble("network", "name_lookup_failed", where),
      behind: "network",
    });
    const refused = trouble("write", "write_unauthorized", "other");
    const { sources } = daemonStatus().snapshot;
    const waiting = sources.map((source) => ({ ...source, state: "waiting" as const }));
    const lines = linesOf(
      daemonStatus({
        troubles: [network, behind("mqtt"), behind("lorawan"), refused],
        snapshot: { sources: waiting },
      }),
    );
    assert.deepEqual(lines.slice(0, 5), [
      "Trouble: no DNS server answers [dns_silent]",
      "  mend network",
      "Also: other fails [write_unauthorized]",
      "  mend other",
      "",
    ]);
    assert.ok(lines.includes("               mqtt fails, because of the network [name_lookup_failed]"));
    assert.ok(lines.includes("               lorawan fails, because of the network [name_lookup_failed]"));
  });

  test("when nearly everything is wrong", () => {
    const status = daemonStatus({
      mode: {
        kind: "safe",
        uncleanStarts: 5,
        suspect: "node",
        waiting: [
          { part: "schema", startsInMs: 840_000 },
          { part: "node", startsInMs: 960_000 },
        ],
      },
      parts: [
        part("mqtt", { restarts: 4 }),
        part("journal"),
        part("registry", { state: "parked", restarts: 5, nextTryInMs: 540_000, lastFault: crash }),
      ],
      troubles: [
        { ...trouble("journal", "journal_full", "journal"), message: "the disk of the journal is full" },
        trouble("broker", "broker_not_authorized", "farm"),
        trouble("write", "write_timeout", "lorawan"),
      ],
      snapshot: {
        journal: {
          lastSeq: 9,
          backlog: 1_204_312,
          evicted: 7,
          evictedMinor: 3,
          waiting: 0,
          lastCommitMs: 1200,
        },
        sources: [
          { name: "mqtt", state: "connected", connects: 3, lastFault: "broker_connection_lost" },
          { name: "farm", state: "waiting", connects: 0, lastFault: "broker_not_authorized" },
        ],
        databases: [
          { name: "lorawan", state: "away" },
          { name: "hillfarm", state: "untried" },
        ],
        latencyMs: { p50: undefined, p99: undefined },
      },
      oldestUnsentAgoMs: 273_000_000,
      starts: [
        { startedAtMs, end: "unknown", part: undefined, fault: undefined },
        { startedAtMs: startedAtMs - 60_000, end: "crash", part: "node", fault: crash },
        { startedAtMs: startedAtMs - 120_000, end: "clean", part: undefined, fault: undefined },
      ],
      units: [unit("mosquitto"), unit("chirpstack", loop)],
      service: { way: "none", watchdogMs: undefined, lastFault: undefined },
    });
    assert.deepEqual(linesOf(status), [
      "Trouble: the disk of the journal is full [journal_full]",
      "  mend journal",
      "Also: chirpstack.service is in a restart loop: 51 restarts (exited 2)",
      "  see why it ends: journalctl -u chirpstack.service -n 50",
      "Also: farm fails [broker_not_authorized]",
      "  mend farm",
      "Also: lorawan fails [write_timeout]",
      "  mend lorawan",
      "  … and 1 more, which --all shows",
      "",
      '  mode       safe mode after 5 crashes, probably of "node": only what receives',
      "             and forwards is running",
      "             schema  starts in 14 min",
      "             node    starts in 16 min",
      "  node       barn-7",
      "  uptime     3 d 4 h, since 2026-03-01 10:22 UTC, pid 812",
      "  version    flightline 0.1.0, Node.js v24.21.0",
      "  memory     112.3 MiB; event loop at most 12 ms late",
      "  systemd    not started by it",
      "  journal    /var/lib/flightline",
      "",
      "  brokers    mqtt  connected  3 connects",
      "             farm  waiting    0 connects",
      "               farm fails [broker_not_authorized]",
      "  databases  lorawan   away",
      "               lorawan fails [write_timeout]",
      "             hillfarm  untried",
      "  backlog    1,204,312 messages, oldest from 3 d 4 h ago",
      "             7 unsent messages dropped because the journal was full",
      "             3 of them logs, txacks and statistics",
      "  rates      12.4/s received, 12.1/s written, over the last minute",
      "  latency    nothing written yet; last commit 1.2 s",
      "  counts     5,000 received, 4,990 written, 20 devices, 3 gateways",
      "",
      "  parts      2 of 3 running",
      "             mqtt      running  for 3 d 4 h  4 restarts",
      "             registry  parked   for 3 d 4 h  5 restarts  next try in 9 min",
      '               the part "node" failed through a bug: x [part_failed]',
      "  starts     2 unclean ends in the 3 runs before this one",
      '             started 2026-03-01 10:21 UTC  crashed in "node"',
      '               the part "node" failed through a bug: x [part_failed]',
      "  units      mosquitto   active (running)  0 restarts   for 12 min",
      "             chirpstack  restart loop      51 restarts  for 12 min",
      "               last exit: exited 2, result: exit-code",
    ]);
  });

  test("a backlog that drains is told with its rate and the time that is left; of an older daemon, without", () => {
    const journal = {
      lastSeq: 90_000,
      backlog: 48_210,
      evicted: 0,
      evictedMinor: 0,
      waiting: 0,
      lastCommitMs: 1,
    };
    const lineOf = (perSecond: number, leftMs: number): string | undefined =>
      linesOf(
        daemonStatus({
          snapshot: { journal },
          oldestUnsentAgoMs: 10_800_000,
          drain: { perSecond, leftMs },
        }),
      ).find((line) => line.startsWith("  backlog"));
    assert.equal(lineOf(66, 730_000), "  backlog    48,210 messages, 12 min at 66/s, oldest from 3 h ago");
    assert.equal(
      lineOf(0.52, 92_711_000),
      "  backlog    48,210 messages, 1 d 2 h at 0.5/s, oldest from 3 h ago",
    );
    const still = linesOf(daemonStatus({ snapshot: { journal }, oldestUnsentAgoMs: undefined }));
    assert.ok(still.includes("  backlog    48,210 messages"));
  });

  test("--all has every part with its last sign of life, every run, every count and every cause", () => {
    const troubles = ["a", "b", "c", "d", "e"].map((name) => trouble("write", "write_timeout", name));
    const starts = (["clean", "crash", "unknown"] as const).map((end, n) => {
      return { startedAtMs: startedAtMs - n * 60_000, end, part: undefined, fault: undefined };
    });
    const text = linesOf(daemonStatus({ troubles, starts }), true).join("\n");
    assert.match(text, /^Also: e fails \[write_timeout\]$/m);
    assert.doesNotMatch(text, /--all shows/);
    assert.match(text, /^ {13}forward {2}running {2}for 3 d 4 h {2}0 restarts {2}last sign 1\.0 s ago$/m);
    assert.match(text, /10:22 UTC {2}ended cleanly\n.*10:21 UTC {2}crashed\n.*10:20 UTC {2}was killed, or/);
    assert.match(text, /^ +0 {2}received at QoS 0$/m);
  });

  test("what was counted and should not have been is told, what is 0 is not", () => {
    const counters = {
      ...daemonStatus().snapshot.counters,
      quarantined: new Map([
        ["decode_empty", 2],
        ["decode_not_json", 1],
      ]),
      receivedQos0: 1234,
    };
    const lines = linesOf(daemonStatus({ snapshot: { counters } }));
    const at = lines.findIndex((line) => line.startsWith("  counts"));
    assert.deepEqual(lines.slice(at + 1, at + 6), [
      "                       3  quarantined",
      "                            2 decode_empty",
      "                            1 decode_not_json",
      "                   1,234  received at QoS 0",
      "",
    ]);
  });

  test("refused lines are told by their reasons, the most frequent first, and so is what is kept of them", () => {
    const counters = {
      ...daemonStatus().snapshot.counters,
      deadLines: new Map([
        ["write_line_refused", 3],
        ["write_line_too_large", 1200],
      ]),
      deadMessages: new Map([["write_line_refused", 2]]),
    };
    const kept = { quarantined: 4, deadLines: 1150, deadLinesEvicted: 53 };
    const status = daemonStatus({ snapshot: { counters, kept } });
    const lines = linesOf(status);
    assert.deepEqual(lines.slice(0, 3), [
      "Flightline is well, but: 1,150 lines that InfluxDB has refused are kept",
      "  flightline buffer list --dead shows why; what is mended goes back with",
      "  flightline buffer requeue --dead",
    ]);
    const at = lines.findIndex((line) => line.startsWith("  counts"));
    assert.deepEqual(lines.slice(at + 1, at + 10), [
      "                       4  kept in quarantine",
      "                   1,203  dead lines",
      "                            1,200 write_line_too_large",
      "                            3 write_line_refused",
      "                       2  messages wholly dead",
      "                            2 write_line_refused",
      "                   1,150  dead lines kept",
      "                      53  dead lines dropped",
      "",
    ]);
    const one = linesOf(daemonStatus({ snapshot: { kept: { ...kept, deadLines: 1 } } }));
    assert.equal(one[0], "Flightline is well, but: a line that InfluxDB has refused is kept");
    const none = linesOf(daemonStatus({ snapshot: { kept: { ...kept, deadLines: 0 } } }));
    assert.equal(none[0], "Flightline is well.");
  });
});

describe("the verdict", () => {
  const codes = (verdict: Verdict): unknown[] =>
    verdict.kind === "trouble" ? verdict.causes.map(({ code, message }) => code ?? message) : [verdict.kind];
  const away = { snapshot: { databases: [{ name: "lorawan", state: "away" as const }] } };
  const waiting = (lastFault: string | undefined) => ({
    snapshot: { sources: [{ name: "mqtt", state: "waiting" as const, connects: 1, lastFault }] },
  });
  const full = trouble("journal", "journal_full", "journal");
  const refused = trouble("network", "connection_refused", "mqtt");
  const safe = { kind: "safe", uncleanStarts: 5, suspect: undefined, waiting: [] } as const;
  const rows: readonly (readonly [string, Parameters<typeof daemonStatus>[0], readonly unknown[]])[] = [
    ["all is well", {}, ["well"]],
    ["safe mode, and nothing else", { mode: safe }, ["safe"]],
    ["what is wrong goes before safe mode", { mode: safe, troubles: [refused] }, ["connection_refused"]],
    ["as the daemon puts them", { troubles: [full, refused] }, ["journal_full", "connection_refused"]],
    [
      "a stuck daemon before its neighbours, and after its disk",
      { unhealthy: "journal is silent", troubles: [full, refused] },
      ["journal_full", "flightline is stuck: journal is silent", "connection_refused"],
    ],
    [
      "the neighbour in a restart loop is the cause of what cannot be reached",
      { units: [unit("mosquitto", loop)], troubles: [full, refused] },
      [
        "journal_full",
        "mosquitto.service is in a restart loop: 51 restarts (exited 2)",
        "connection_refused",
      ],
    ],
    [
      "our own restarts are what follows from the others",
      { units: [unit("flightline", { ...loop, lastExit: undefined })], troubles: [refused] },
      ["connection_refused", "flightline.service is in a restart loop: 51 restarts"],
    ],
    [
      "a loop that the daemon tells of, too, is told once",
      {
        units: [unit("mosquitto", loop)],
        troubles: [trouble("broker", "unit_restart_loop", "mosquitto.service")],
      },
      ["mosquitto.service is in a restart loop: 51 restarts (exited 2)"],
    ],
    ["a unit that failed once and runs is no trouble", { units: [unit("a", { restarts: 3 })] }, ["well"]],
    ["a database that is away", away, ['the database "lorawan" takes no writes']],
    [
      "a database that is away, with its fault",
      { ...away, troubles: [trouble("write", "write_timeout", "lorawan")] },
      ["write_timeout"],
    ],
    ["a broker that is away", waiting(undefined), ['the broker of "mqtt" is away']],
    ["a broker that is away, with its code", waiting("broker_silent"), ["broker_silent"]],
    [
      "a broker that is away, whose part waits, is told once",
      { ...waiting("broker_silent"), parts: [part("mqtt", { state: "waiting", lastFault: crash })] },
      ["broker_silent"],
    ],
    [
      "a part that waits, is parked or stuck, or ended with a fault",
      {
        parts: [
          part("a", { state: "waiting" }),
          part("b", { state: "parked", lastFault: crash }),
          part("c", { state: "stuck" }),
          part("d", { state: "ended", lastFault: crash }),
        ],
      },
      ['the part "a" is waiting', "part_failed", 'the part "c" is stuck', "part_failed"],
    ],
    [
      "a part that stops, has done its work, or was restarted and runs is no trouble",
      {
        parts: [
          part("a", { state: "stopping" }),
          part("b", { state: "ended" }),
          part("c", { restarts: 9, lastFault: crash }),
        ],
      },
      ["well"],
    ],
  ];
  for (const [name, changes, expected] of rows) {
    test(name, () => {
      assert.deepEqual(codes(verdictOf(daemonStatus(changes))), expected);
    });
  }

  test("a stuck daemon is told when the watchdog kills it, or what to type without one", () => {
    const hints = [60_000, undefined].map((watchdogMs) => {
      const service = { way: "none", watchdogMs, lastFault: undefined } as const;
      const verdict = verdictOf(daemonStatus({ unhealthy: "x", service }));
      return verdict.kind === "trouble" ? verdict.causes[0].hint : undefined;
    });
    assert.deepEqual(hints, [
      "systemd kills and restarts it when that has lasted 60 s",
      "see journalctl -u flightline, then systemctl restart flightline",
    ]);
  });
});

describe("on the screen", () => {
  const long = "a very long sentence about what is wrong and what to do about it ".repeat(20);
  const hostile = `\u001b[31m\u202e evil\n${long}`;
  const fault = { code: "write_refused", message: hostile, hint: hostile };

  test("no line is wider than 80 columns, and no text moves the cursor, whatever the names and faults", () => {
    const status = daemonStatus({
      version: hostile,
      dataDir: hostile,
      unhealthy: hostile,
      mode: { kind: "safe", uncleanStarts: 5, suspect: hostile, waiting: [{ part: hostile, startsInMs: 1 }] },
      parts: [part(hostile, { state: "parked", lastFault: fault, nextTryInMs: 1e12 })],
      troubles: [{ ...fault, layer: "write", where: hostile, severity: "bad" }],
      snapshot: {
        sources: [{ name: hostile, state: "waiting", connects: 1e9, lastFault: hostile }],
        databases: [{ name: `${hostile}2`, state: "away" }],
      },
      starts: [{ startedAtMs, end: "crash", part: hostile, fault }],
      units: [unit(hostile, { ...loop, lastExit: hostile })],
      service: { way: "libsystemd", watchdogMs: 1e9, lastFault: fault },
    });
    for (const all of [false, true]) {
      const lines = linesOf(status, all);
      assert.ok(lines.length > 30);
      for (const line of lines) {
        assert.ok(line.length <= 80, `${line.length}: ${line}`);
        assert.doesNotMatch(line, /[\p{Cc}\p{Cf}]/u);
      }
    }
  });

  test("colours change no text and no column", () => {
    const status = daemonStatus({
      units: [unit("mosquitto", loop), unit("flightline")],
      parts: [part("a", { state: "parked", lastFault: crash })],
    });
    const verdict = verdictOf(status);
    const coloured = statusLines(status, verdict, { all: false, paint: colours, nowMs });
    const red = (text: string): string => `\u001b[31m${text}\u001b[0m`;
    assert.equal(coloured[0], red(linesOf(status)[0] ?? ""));
    assert.ok(coloured.join("\n").includes(red("restart loop")));
    const plain = coloured.map((line) =>
      line
        .split("\u001b")
        .map((piece, index) => (index === 0 ? piece : piece.replace(/^\[\d+m/, "")))
        .join(""),
    );
    assert.deepEqual(plain, linesOf(status));
  });

  test("columns are as wide as what is in them, and what has no room is cut", () => {
    const rows = [
      [{ text: "a" }, { text: "日本" }, { text: "x" }],
      [{ text: "bbb" }, { text: "" }, { text: "a long last one" }],
    ];
    assert.deepEqual(columns(rows, 18, noColours), ["a    日本  x", "bbb        a long…"]);
    assert.deepEqual(columns([], 18, noColours), []);
  });

  test("durations have two units at most", () => {
    const rows: readonly (readonly [number, string])[] = [
      [0, "0 ms"],
      [0.84, "0.8 ms"],
      [12.3, "12 ms"],
      [999.4, "999 ms"],
      [999.6, "1.0 s"],
      [9940, "9.9 s"],
      [9960, "10 s"],
      [59_400, "59 s"],
      [59_600, "1 min"],
      [3_569_000, "59 min"],
      [3_571_000, "1 h"],
      [11_520_000, "3 h 12 min"],
      [86_399_000, "1 d"],
      [86_400_000, "1 d"],
      [273_600_000, "3 d 4 h"],
    ];
    for (const [ms, text] of rows) assert.equal(duration(ms), text, String(ms));
  });
});
