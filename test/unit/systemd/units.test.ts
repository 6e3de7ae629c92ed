import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parseUnits, readUnits, restartLoop, unitOfCgroup, type Unit } from "../../../src/systemd/units.ts";
import { temporaryFolder } from "../../support/wait.ts";

const never = new AbortController().signal;

/** As systemd 252 prints it, in its own order. */
function paragraph(values: Readonly<Record<string, string | number>>): string {
  const all = {
    MainPID: 0,
    Result: "success",
    NRestarts: 0,
    ExecMainCode: 0,
    ExecMainStatus: 0,
    Id: "",
    LoadState: "loaded",
    ActiveState: "active",
    SubState: "running",
    StateChangeTimestampMonotonic: 0,
    ...values,
  };
  return Object.entries(all)
    .map(([key, value]) => `${key}=${value}\n`)
    .join("");
}

function unit(values: Partial<Unit> & Pick<Unit, "name" | "role">): Unit {
  return {
    activeState: "active",
    subState: "running",
    result: "success",
    restarts: 0,
    lastExit: undefined,
    sinceUptimeMs: undefined,
    ...values,
  };
}

describe("systemctl show", () => {
  test("a unit that was killed and waits for its restart is read as that", () => {
    const text = paragraph({
      Id: "chirpstack.service",
      Result: "signal",
      NRestarts: 51,
      ExecMainCode: 2,
      ExecMainStatus: 6,
      ActiveState: "activating",
      SubState: "auto-restart",
      StateChangeTimestampMonotonic: 1234567,
    });
    assert.deepEqual(parseUnits(text, 7), [
      {
        name: "chirpstack.service",
        role: "network_server",
        activeState: "activating",
        subState: "auto-restart",
        result: "signal",
        restarts: 51,
        lastExit: { how: "killed", status: 6 },
        sinceUptimeMs: 1234.567,
      },
    ]);
  });

  test("how the main process ended is told by its code", () => {
    const cases = [
      [0, 0, undefined],
      [1, 2, { how: "exited", status: 2 }],
      [2, 9, { how: "killed", status: 9 }],
      [3, 11, { how: "dumped", status: 11 }],
      [99, 1, undefined],
    ] as const;
    for (const [ExecMainCode, ExecMainStatus, expected] of cases) {
      const [read] = parseUnits(paragraph({ Id: "mosquitto.service", ExecMainCode, ExecMainStatus }), 7);
      assert.deepEqual(read?.lastExit, expected, `${ExecMainCode}`);
    }
  });

  test("units come lowest layer first, each once, without those that do not exist", () => {
    const text = [
      paragraph({ Id: "gateway-data.service", MainPID: 7 }),
      paragraph({ Id: "influxdb3-core.service" }),
      paragraph({ Id: "influxdb.service", LoadState: "not-found", ActiveState: "inactive" }),
      paragraph({ Id: "chirpstack.service" }),
      paragraph({ Id: "chirpstack-mqtt-forwarder.service" }),
      paragraph({ Id: "chirpstack.service" }),
      paragraph({ Id: "mosquitto.service" }),
    ].join("\n");
    assert.deepEqual(
      parseUnits(text, 7).map(({ name, role }) => [name, role]),
      [
        ["mosquitto.service", "broker"],
        ["chirpstack-mqtt-forwarder.service", "network_server"],
        ["chirpstack.service", "network_server"],
        ["influxdb3-core.service", "database"],
        ["gateway-data.service", "own"],
      ],
    );
  });

  test("a service that only started us is not our unit", () => {
    const text = paragraph({ Id: "cron.service", MainPID: 100 });
    assert.deepEqual(parseUnits(text, 7), []);
    assert.deepEqual(parseUnits(text, 100)[0]?.role, "own");
  });

  test("what is no output of systemctl show gives no unit", () => {
    for (const text of ["", "\n\n", "garbage", "Id=\nMainPID=7\n"]) assert.deepEqual(parseUnits(text, 7), []);
  });

  test("what is missing in an old or new systemd is zero or empty, not a failure", () => {
    const [read] = parseUnits("Id=mosquitto.service\nActiveState=active\n", 7);
    assert.deepEqual(read, unit({ name: "mosquitto.service", role: "broker", subState: "", result: "" }));
  });
});

test("our unit is known by the cgroup, in either version of cgroups", () => {
  const cases = [
    ["0::/system.slice/flightline.service\n", "flightline.service"],
    ["9:name=systemd:/system.slice/flightline.service\n8:pids:/\n0::/\n", "flightline.service"],
    ["0::/system.slice/flightline.service/streams\n", "flightline.service"],
    ["0::/system.slice/system-flightline.slice/flightline@north.service\n", "flightline@north.service"],
    ["4:memory:/system.slice/other.service\n0::/\n", undefined],
    ["0::/user.slice/user-1000.slice/session-3.scope\n", undefined],
    ["0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service\n", undefined],
    ["", undefined],
  ] as const;
  for (const [text, expected] of cases) assert.equal(unitOfCgroup(text), expected, text);
});

describe("a restart loop", () => {
  const broker = unit({ name: "mosquitto.service", role: "broker" });
  const server = unit({ name: "chirpstack.service", role: "network_server" });
  const own = unit({ name: "flightline.service", role: "own" });

  test("is a unit that waits for its restart, also at the first reading", () => {
    const waiting = { ...server, activeState: "activating", subState: "auto-restart" };
    assert.equal(restartLoop([], [broker, waiting, own]), waiting);
    const queued = { ...server, activeState: "activating", subState: "auto-restart-queued" };
    assert.equal(restartLoop([], [broker, queued]), queued);
    assert.equal(
      restartLoop([], [broker, { ...server, activeState: "activating", subState: "start" }]),
      undefined,
    );
  });

  test("is a counter of restarts that grew between two readings", () => {
    const grown = { ...server, restarts: 3 };
    assert.equal(restartLoop([broker, { ...server, restarts: 2 }], [broker, grown]), grown);
    assert.equal(restartLoop([broker, grown], [broker, grown]), undefined);
    assert.equal(restartLoop([broker], [broker, grown]), undefined);
    assert.equal(restartLoop([{ ...server, restarts: 9 }], [grown]), undefined);
  });

  test("is named by its lowest layer, in whatever order it was read", () => {
    const failing = [own, server, broker].map((each) => ({ ...each, restarts: 1 }));
    assert.equal(restartLoop([own, server, broker], failing)?.name, "mosquitto.service");
    assert.equal(restartLoop([own, server, broker], failing.slice(0, 2))?.name, "chirpstack.service");
  });
});

describe("reading", () => {
  /** A program in the place of systemctl. */
  async function read(script: string, timeoutMs = 5000): Promise<Unit[] | undefined> {
    await using folder = await temporaryFolder("units");
    const systemctl = join(folder.path, "systemctl");
    writeFileSync(systemctl, `#!/bin/sh\n${script}\n`);
    chmodSync(systemctl, 0o755);
    const cgroupFile = join(folder.path, "cgroup");
    writeFileSync(cgroupFile, "0::/system.slice/flightline.service\n");
    return await readUnits(never, { pid: 7, systemctl, cgroupFile, timeoutMs });
  }

  test("asks for our own unit and the neighbours", async () => {
    const units = await read(`for unit in "$@"; do printf 'Id=%s\\nMainPID=7\\n\\n' "$unit"; done`);
    const names = units?.map(({ name }) => name) ?? [];
    for (const name of ["mosquitto.service", "chirpstack.service", "influxdb.service", "flightline.service"])
      assert.ok(names.includes(name), `${name} in ${names.join(" ")}`);
  });

  test("gives undefined without systemctl, when it fails and when it hangs", async () => {
    assert.equal(await readUnits(never, { systemctl: "/nonexistent/systemctl" }), undefined);
    assert.equal(await read("exit 1"), undefined);
    const startMs = performance.now();
    assert.equal(await read("exec sleep 60", 100), undefined);
    assert.ok(performance.now() - startMs < 5000);
  });

  test("ends when it is told to", async () => {
    assert.equal(await readUnits(AbortSignal.abort(), { systemctl: "/bin/true" }), undefined);
  });
});
