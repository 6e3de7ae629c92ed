/** `flightline doctor` as a whole, against a real broker, the InfluxDB stand-in and a daemon that runs. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, describe, test, type TestContext } from "node:test";
import { Aedes } from "aedes";
import { doctorCommand, type DoctorDeps, type DoctorOptions } from "../../src/cli/doctor.ts";
import { exitCode } from "../../src/cli/io.ts";
import type { Part } from "../../src/doctor/doctor.ts";
import { partsOf, type PartsDeps } from "../../src/doctor/parts.ts";
import type { Shown } from "../../src/doctor/verdict.ts";
import { Secret } from "../../src/lib/secret.ts";
import { type InfluxStandInOptions, startInfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { AppScene, assertOnce, range } from "../support/app.ts";
import { recordingIo } from "../support/fakes/recording-io.ts";
import { requireMosquitto } from "../support/mosquitto.ts";
import { ask, flushIntervalMs } from "../support/stand-in.ts";
import { listening } from "../support/tcp-server.ts";
import { temporaryFolder, waitFor } from "../support/wait.ts";

const main = join(import.meta.dirname, "../../src/main.ts");
const token = "apiv3_right";

interface Site {
  readonly config: string;
  readonly dataDir: string;
}

async function site(t: TestContext, mqttUrl: string, influxUrl: string, more = ""): Promise<Site> {
  const folder = await temporaryFolder("doctor");
  t.after(() => folder.remove());
  const config = join(folder.path, "flightline.toml");
  const dataDir = join(folder.path, "data");
  const text = `
    [[mqtt]]
    name = "main"
    url = "${mqttUrl}"
    [journal]
    dir = "${dataDir}"
    [influxdb]
    url = "${influxUrl}"
    database = "farm"
    ${more}`;
  await writeFile(config, text);
  return { config, dataDir };
}

async function standIn(t: TestContext, options: InfluxStandInOptions = {}): Promise<string> {
  const server = await startInfluxStandIn({ flushIntervalMs, ...options });
  t.after(() => server.stop());
  const headers = { authorization: `Bearer ${token}` };
  const lines = { method: "POST", body: "uplink,dev_eui=a n=1i", headers };
  assert.equal((await ask(server, "/api/v3/write_lp?db=farm", lines)).status, 204);
  return server.url;
}

interface Report {
  readonly ok: boolean;
  readonly tookMs: number;
  readonly findings: readonly Shown[];
}

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const quick: DoctorDeps = {
  partsOf: (config, deps) => partsOf(config, { ...deps, listenMs: 50 }),
};

/** Within this process. */
async function examine(
  { config }: Pick<Site, "config">,
  changes: Partial<DoctorOptions> = {},
  deps: DoctorDeps = quick,
): Promise<Said> {
  const { io, out, err } = recordingIo();
  const nowhere = { configIsDefault: false, serviceSocket: "/nowhere/control.sock", columns: undefined };
  const code = await doctorCommand({ config, json: false, ...nowhere, ...changes }, io, deps);
  return { code, out: out(), err: err() };
}

function reportIn({ out }: Said): Report {
  return JSON.parse(out) as Report;
}

function failuresIn({ findings }: Report): string[] {
  return findings.filter(({ severity }) => severity === "failure").map(({ check }) => check);
}

function finding({ findings }: Report, check: string): Shown {
  const found = findings.find((one) => one.check === check);
  assert.ok(found !== undefined, `${check} in ${findings.map((one) => one.check).join(", ")}`);
  return found;
}

interface Started {
  readonly child: ChildProcess;
  readonly out: () => string;
  readonly done: Promise<Said>;
}

const running = new Set<ChildProcess>();
after(() => {
  for (const child of running) child.kill("SIGKILL");
});

/** As it is started from a shell. */
function start(...options: readonly string[]): Started {
  const child = spawn(process.execPath, [main, "doctor", ...options], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, RUNTIME_DIRECTORY: undefined, CREDENTIALS_DIRECTORY: undefined },
  });
  running.add(child);
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  const done = new Promise<Said>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      running.delete(child);
      resolve({ code: code ?? -1, out, err });
    });
  });
  return { child, out: () => out, done };
}

/** Takes connections and says nothing. */
async function blackHole(t: TestContext): Promise<number> {
  return (await listening(t, createServer())).port;
}

describe("before a daemon ever ran", { concurrency: 2 }, () => {
  test("all that is needed is there: 0, and nothing is left behind", async (t) => {
    const broker = await requireMosquitto(t);
    if (broker === undefined) return;
    const place = await site(t, broker.url, await standIn(t));
    const said = await examine(place);
    assert.equal(said.code, exitCode.done, said.out);
    assert.equal(said.err, "");
    const headings = [...said.out.matchAll(/^\w.*$/gm)].map(([line]) => line);
    assert.deepEqual(headings.slice(0, -1), [
      "Configuration",
      "Daemon",
      "Systemd",
      "Journal",
      "Broker main",
      "InfluxDB main",
      "Flight main",
    ]);
    assert.match(headings.at(-1) ?? "", /^(?:All is well|It works, with \d+ warnings?) \(.* ok.*; .* m?s\)$/);
    assert.match(said.out, /^ {2}skipped {2}running +no daemon runs, and none has run here before$/m);
    assert.equal(existsSync(place.dataDir), false, "the journal's directory is the daemon's to make");
  });

  test("a daemon is asked once, however many parts want to know", async (t) => {
    const folder = await temporaryFolder("doctor");
    t.after(() => folder.remove());
    const serviceSocket = join(folder.path, "control.sock");
    let asked = 0;
    const server = createServer((socket) => {
      asked += 1;
      socket.on("error", () => {}).end();
    });
    await new Promise<void>((resolve) => server.listen(serviceSocket, resolve));
    t.after(() => server.close());
    const place = await site(t, "mqtt://127.0.0.1:1", "http://127.0.0.1:1");
    const answers: unknown[] = [];
    const part = (id: string): Part => ({
      id,
      title: id,
      examine: async (_report, signal) => void answers.push(await deps.daemon(signal)),
    });
    let deps: PartsDeps = { daemon: () => assert.fail("not this one") };
    const partsOf: DoctorDeps["partsOf"] = (_config, given) => {
      deps = given;
      return [part("one"), part("other")];
    };
    await examine(place, { serviceSocket }, { partsOf });
    assert.deepEqual([answers.length, asked], [2, 1]);
  });

  test("as JSON: one document with everything that was found", async (t) => {
    const broker = await requireMosquitto(t);
    if (broker === undefined) return;
    const said = await examine(await site(t, broker.url, await standIn(t)), { json: true });
    const report = reportIn(said);
    assert.deepEqual([said.code, said.err, report.ok, failuresIn(report)], [exitCode.done, "", true, []]);
    assert.ok(report.tookMs > 0 && report.tookMs < 30_000);
    const rooms = new Set(report.findings.map(({ check }) => check.split(".")[0]));
    assert.deepEqual(
      [...rooms],
      ["configuration", "daemon", "systemd", "journal", "broker", "influxdb", "flight"],
    );
    for (const { severity, text } of report.findings) {
      assert.match(severity, /^(?:ok|warning|failure|skipped)$/);
      assert.ok(text !== "" && !text.includes("\n"), text);
    }
  });

  test("a wrong token: 1, with the cause and the cure, and the token shows nowhere", async (t) => {
    const broker = await requireMosquitto(t);
    if (broker === undefined) return;
    const url = await standIn(t, { auth: { token: new Secret(token) } });
    const place = await site(t, broker.url, url, 'token = "apiv3_wrong"\n');
    const said = await examine(place, { json: true });
    const report = reportIn(said);
    assert.deepEqual([said.code, report.ok], [exitCode.failed, false]);
    const failures = failuresIn(report);
    assert.ok(failures.includes("influxdb.main.token"), failures.join(", "));
    assert.ok(
      failures.every((check) => /^(?:influxdb|flight)\.main\./.test(check)),
      failures.join(", "),
    );
    const { code, hint } = finding(report, "influxdb.main.token");
    assert.equal(code, "write_unauthorized");
    assert.match(hint ?? "", /token/);
    assert.ok(!said.out.includes("apiv3_wrong"));
    const screen = await examine(place);
    assert.match(screen.out, /^ {2}FAILURE {2}token .*\[write_unauthorized\]\n {10,}→ .*token/m);
    assert.ok(!screen.out.includes("apiv3_wrong"));
  });
});

describe("a configuration that cannot be loaded", () => {
  test("exit code 78, each mistake with its line, and what needs no configuration", async (t) => {
    const place = await site(
      t,
      "mqtt://127.0.0.1:1",
      "ftp://x",
      'token_file = "${CREDENTIALS_DIRECTORY}/t"\n',
    );
    const said = await examine(place, { json: true });
    const report = reportIn(said);
    assert.deepEqual([said.code, report.ok], [exitCode.config, false]);
    assert.deepEqual(
      report.findings
        .filter(({ severity }) => severity === "failure")
        .map(({ figures }) => figures?.["line"]),
      [8, 10],
    );
    assert.match(report.findings[1]?.hint ?? "", /systemd gives credentials to the service only/);
    assert.equal(finding(report, "daemon.running").severity, "skipped");
    assert.ok(report.findings.some(({ check }) => check.startsWith("systemd.")));
    assert.ok(!report.findings.some(({ check }) => /^(?:broker|influxdb|flight|journal)\./.test(check)));
  });
});

describe("beside a daemon", () => {
  test("that runs: it is asked, keeps its connection and its journal, and loses nothing", async (t) => {
    const scene = await AppScene.open(t);
    if (scene === undefined) return;
    const life = await scene.start(await scene.config());
    await scene.publish(range(1, 50));
    const { done } = start("-c", join(scene.dataDir, "../flightline.toml"), "--json");
    await scene.publish(range(51, 150), 50);
    const report = reportIn(await done);
    assert.equal(finding(report, "daemon.running").severity, "ok");
    assert.equal(finding(report, "daemon.version").figures?.["running"], "1.2.3");
    assert.notEqual(finding(report, "daemon.troubles").severity, "failure");
    const local = failuresIn(report).filter((check) => /^(?:daemon|journal|broker)\./.test(check));
    assert.deepEqual(local, []);
    await scene.publish(range(151, 200));
    await life.settled(200);
    assertOnce(200, scene.sink);
    assert.equal(scene.connects("main"), 1, "nobody took its place at the broker");
    const clients = [
      ...scene.broker.log().matchAll(/Client (\S+) (?:closed its connection|already connected)/g),
    ];
    assert.ok(!clients.some(([, id]) => id?.endsWith("-main")), "it was not disconnected");
  });

  test("that does not answer is a failure, soon", async (t) => {
    const scene = await site(t, `mqtt://127.0.0.1:${await blackHole(t)}`, "http://127.0.0.1:1");
    await mkdir(scene.dataDir);
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(join(scene.dataDir, "control.sock"), resolve));
    t.after(() => void silent.close());
    const limits = { examineMs: 300, stopMs: 300 };
    const report = reportIn(await examine(scene, { json: true }, { ...quick, limits }));
    assert.match(
      finding(report, "daemon.finished").text,
      /^not finished after 0\.3 s: nothing is known of it$/,
    );
  });
});

describe("the end", { concurrency: 2 }, () => {
  test("everything is a black hole: it ends when its time is up, and says so of each part", async (t) => {
    const [mqtt, influx, flight] = [await blackHole(t), await blackHole(t), await blackHole(t)];
    const more = `flight_url = "http://127.0.0.1:${flight}"\n`;
    const place = await site(t, `mqtt://127.0.0.1:${mqtt}`, `http://127.0.0.1:${influx}`, more);
    const startedMs = performance.now();
    const limits = { examineMs: 500, stopMs: 500 };
    const said = await examine(place, { json: true }, { ...quick, limits });
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs > 490 && tookMs < 3000, `${tookMs} ms`);
    const report = reportIn(said);
    assert.equal(said.code, exitCode.failed);
    for (const part of ["broker.main", "influxdb.main", "flight.main"]) {
      assert.equal(finding(report, `${part}.finished`).severity, "failure");
      assert.match(finding(report, `${part}.finished`).text, /^not finished after 0\.5 s: /);
    }
    assert.equal(finding(report, "journal.directory").severity, "ok", "what is here has been looked at");
  });

  test("the end of its terminal ends it too, and leaves no session at a broker of MQTT 3.1.1", async (t) => {
    const broker = await Aedes.createBroker();
    t.after(() => broker.close());
    const { port } = await listening(t, createServer(broker.handle));
    const place = await site(t, `mqtt://127.0.0.1:${port}`, `http://127.0.0.1:${await blackHole(t)}`);
    let hungUp = 0;
    broker.authorizeSubscribe = (client, subscription, answer) => {
      // The session that is kept: in the middle of the trial.
      if (client?.id.endsWith("s")) {
        hungUp += 1;
        child.kill("SIGHUP");
      }
      answer(null, subscription);
    };
    const { child, done } = start("-c", place.config);
    const { code, err } = await done;
    assert.equal(hungUp, 1);
    assert.deepEqual([code, err], [exitCode.failed, "interrupted: not everything has been looked at\n"]);
    const { persistence } = broker as unknown as {
      readonly persistence: { countOffline(): Promise<{ subsCount: number; clientsCount: number }> };
    };
    assert.deepEqual(await persistence.countOffline(), { subsCount: 0, clientsCount: 0 });
  });

  test("an interrupt ends it at once, with 1, in the middle of what it was doing", async (t) => {
    const hole = await blackHole(t);
    const place = await site(t, `mqtt://127.0.0.1:${hole}`, `http://127.0.0.1:${hole}`);
    const { child, out, done } = start("-c", place.config);
    await waitFor(() => out().includes("Journal"), { what: "the first lines", timeoutMs: 15_000 });
    const interruptedMs = performance.now();
    child.kill("SIGINT");
    const { code, err } = await done;
    const tookMs = performance.now() - interruptedMs;
    assert.deepEqual([code, err], [exitCode.failed, "interrupted: not everything has been looked at\n"]);
    assert.ok(tookMs < 1500, `${tookMs} ms`);
  });
});
