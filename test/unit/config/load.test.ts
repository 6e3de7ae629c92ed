import assert from "node:assert/strict";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadConfig } from "../../../src/config/load.ts";
import { formatProblem } from "../../../src/config/problem.ts";
import { complaints, ConfigDirectory, loadText, minimal } from "./fixture.ts";

function configOf(text: string, env: NodeJS.ProcessEnv = {}) {
  const result = loadText(text, env);
  assert.ok(result.ok, complaints(result).join("\n"));
  return result.config;
}

test("two urls and a database are enough, and everything else has its default", () => {
  const config = configOf(`node = "barn-7"\n${minimal}`);
  assert.deepEqual(config, {
    node: "barn-7",
    nodeIntervalMs: 60_000,
    mqtt: [
      {
        name: "mqtt",
        url: "mqtt://127.0.0.1:1883",
        topics: [
          "application/+/device/+/event/+",
          "+/gateway/+/event/stats",
          "+/gateway/+/event/mesh",
          "+/gateway/+/state/conn",
        ],
        protocol: "auto",
        receiveMaximum: 1000,
        sessionExpiryMs: 604_800_000,
        keepaliveMs: 30_000,
        connectTimeoutMs: 10_000,
        stateTopic: "flightline/barn-7/state",
        tls: { verify: true },
      },
    ],
    journal: {
      dir: "/var/lib/flightline",
      commitIntervalMs: 250,
      maxSizeBytes: undefined,
      keepSettledMs: 259_200_000,
      whenFull: "drop_oldest",
    },
    influx: {
      url: "http://127.0.0.1:8181",
      database: "lorawan",
      writeApi: "auto",
      writeTimeoutMs: 30_000,
      gzip: true,
      maxInFlight: 4,
      batchMaxLines: 5000,
      batchMaxBytes: 1_048_576,
      batchMaxAgeMs: 1000,
      tls: { verify: true },
      flightUrl: "http://127.0.0.1:8181",
      queryTimeoutMs: 60_000,
    },
    routes: [],
    telemetry: { tags: [], deviceTags: [], profiles: [] },
    clock: { ntp: "require", patienceMs: 900_000 },
    log: { format: "auto", level: "info" },
  });
});

test("without a node name it is the host's, in the letters that a topic may have", () => {
  assert.match(configOf(minimal).node, /^[A-Za-z0-9_.-]{1,64}$/);
});

test("the configuration is frozen to its leaves", () => {
  const config = configOf(`${minimal}[tags]\nsite = "barn"\n`);
  const open: string[] = [];
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== "object" || value === null) return;
    if (!Object.isFrozen(value)) open.push(path);
    for (const [key, item] of Object.entries(value)) visit(item, `${path}.${key}`);
  };
  visit(config, "config");
  assert.deepEqual(open, []);
});

test("five different mistakes in two files are all named with their lines", () => {
  using directory = new ConfigDirectory();
  directory.write({
    "flightline.toml": `
[[mqtt]]
url = "mqtt://127.0.0.1:1883"
recieve_maximum = 100

[influxdb]
url = "influx.example.net:8181"
database = "lorawan"
token_file = "missing-token"
`,
    "conf.d/10-site.toml": `
[influxdb]
gzip = "yes"

[journal]
commit_interval = "20s"
`,
  });
  const result = directory.load();
  assert.ok(!result.ok);
  const site = join(directory.path, "conf.d", "10-site.toml");
  assert.deepEqual(result.problems, [
    {
      file: directory.main,
      line: 4,
      column: 1,
      key: "mqtt[0].recieve_maximum",
      message: "unknown key",
      hint: "did you mean receive_maximum?",
    },
    {
      file: directory.main,
      line: 7,
      column: 1,
      key: "influxdb.url",
      message:
        'expected a URL that begins with http:// or https:// and names a host, found "influx.example.net:8181"',
    },
    {
      file: directory.main,
      line: 9,
      column: 1,
      key: "influxdb.token_file",
      message: `${join(directory.path, "missing-token")} does not exist`,
    },
    { file: site, line: 3, column: 1, key: "influxdb.gzip", message: 'expected true or false, found "yes"' },
    {
      file: site,
      line: 6,
      column: 1,
      key: "journal.commit_interval",
      message: 'expected a duration from 1ms to 10s, such as "250ms", found "20s"',
    },
  ]);
});

test("files of conf.d come in the order of their names: values replace, tables merge, sources append", () => {
  using directory = new ConfigDirectory();
  directory.write({
    "flightline.toml": `${minimal}[tags]\nsite = "a"\nhouse = "north"\n[log]\nlevel = "warn"\n`,
    "conf.d/20.toml": '[tags]\nsite = "c"\n[[mqtt]]\nurl = "mqtt://third"\nname = "third"\ntopics = ["x"]\n',
    "conf.d/10.toml": '[tags]\nsite = "b"\nroom = "1"\n[[mqtt]]\nurl = "mqtt://second"\n',
    "conf.d/notes.txt": "not TOML",
    "conf.d/.hidden.toml": "not TOML",
  });
  const result = directory.load();
  assert.ok(result.ok, complaints(result).join("\n"));
  assert.deepEqual(
    result.config.mqtt.map(({ name, url }) => [name, url]),
    [
      ["mqtt", "mqtt://127.0.0.1:1883"],
      ["mqtt2", "mqtt://second"],
      ["third", "mqtt://third"],
    ],
  );
  assert.deepEqual(result.config.mqtt[2]?.topics, ["x"]);
  assert.deepEqual(result.config.telemetry.tags, [
    { name: "site", value: "c" },
    { name: "house", value: "north" },
    { name: "room", value: "1" },
  ]);
  assert.equal(result.config.log.level, "warn");
  assert.deepEqual(result.files, [
    directory.main,
    join(directory.path, "conf.d/10.toml"),
    join(directory.path, "conf.d/20.toml"),
  ]);
});

test("a mistake in a source of conf.d has its line there, whatever its place in the whole", () => {
  using directory = new ConfigDirectory();
  directory.write({
    "flightline.toml": minimal,
    "conf.d/10.toml":
      '\n[[mqtt]]\nurl = "mqtt://b"\ntopics = ["ok/#",\n  "a/#/b"]\n[[mqtt]]\nname = "late"\n',
  });
  const result = directory.load();
  assert.ok(!result.ok);
  assert.deepEqual(
    result.problems.map(({ file, line, key }) => [file.endsWith("10.toml"), line, key]),
    [
      [true, 5, "mqtt[1].topics[1]"],
      [true, 6, "mqtt[2].url"],
    ],
  );
});

test("a syntax error has its line and none of its text; other files are still checked", () => {
  using directory = new ConfigDirectory();
  directory.write({
    "flightline.toml": '[[mqtt]]\nurl = "mqtt://h"\npassword = "hunter2\n',
    "conf.d/10.toml": "[log]\nlevel = 3\n",
  });
  const result = directory.load();
  assert.ok(!result.ok);
  assert.deepEqual(
    result.problems.map(({ line, key }) => [line, key]),
    [
      [3, ""],
      [2, "log.level"],
    ],
  );
  assert.match(result.problems[0]?.message ?? "", /^Invalid TOML document: /);
  assert.doesNotMatch(JSON.stringify(result), /hunter2/);
});

test("required keys that are missing are named, at the table that should have them", () => {
  assert.deepEqual(
    complaints(loadText("[[mqtt]]\n[influxdb]\nurl = 'http://h'\n")).map((text) => text.split(":")[0]),
    ["1 mqtt[0].url is missing", "2 influxdb.database is missing"],
  );
  assert.deepEqual(
    complaints(loadText("")).map((text) => text.split(":")[0]),
    ["- mqtt is missing", "- influxdb is missing"],
  );
});

test("a missing file says how to make one", () => {
  using directory = new ConfigDirectory();
  assert.deepEqual(directory.load(), {
    ok: false,
    problems: [
      {
        file: directory.main,
        key: "",
        message: "does not exist",
        hint: `make one with: flightline config > ${directory.main}`,
      },
    ],
  });
});

test("files that are none, too large or not text are refused", () => {
  using directory = new ConfigDirectory();
  directory.write({
    "flightline.toml": minimal,
    "conf.d/10.toml/x": "",
    "conf.d/20.toml": new Uint8Array([0x61, 0xff, 0xfe]),
    "conf.d/30.toml": `#${"x".repeat(1024 ** 2)}`,
  });
  assert.deepEqual(complaints(directory.load()), [
    "-  is not a file",
    "-  is not UTF-8 text",
    "-  is larger than 1048576 bytes",
  ]);
});

test("sources have different names, the given and the default ones", () => {
  const second = '[[mqtt]]\nurl = "mqtt://b"\nname = "mqtt"\n';
  assert.deepEqual(complaints(loadText(`${minimal}${second}`)), [
    '9 mqtt[1].name another [[mqtt]] table is called "mqtt" already: names must differ',
  ]);
});

test("keys that do not go together are named", () => {
  using directory = new ConfigDirectory();
  directory.write({
    "cert.pem": "x",
    "flightline.toml": `
[[mqtt]]
url = "mqtt://a"
verify = false
password = "\${P}"
password_file = "cert.pem"
[[mqtt]]
url = "mqtts://b"
cert_file = "cert.pem"
[influxdb]
url = "https://c"
database = "d"
key_file = "cert.pem"
token = "t"
token_file = "cert.pem"
[tags]
site = "s"
dev_eui = "d"
[telemetry]
device_tags = ["site", "room", "room", "_x"]
`,
  });
  assert.deepEqual(complaints(directory.load({ P: "p" })), [
    "4 mqtt[0].verify has no effect: mqtt:// is plaintext",
    "6 mqtt[0].password_file password is given too: keep one of the two",
    "9 mqtt[1].cert_file needs key_file, the private key of this certificate",
    "13 influxdb.key_file needs cert_file, the certificate of this key",
    "15 influxdb.token_file token is given too: keep one of the two",
    '18 tags.dev_eui "dev_eui" is a column of ours: choose another name',
    '20 telemetry.device_tags[0] "site" is a tag already: a point can have it once',
    '20 telemetry.device_tags[2] "room" is a tag already: a point can have it once',
    "20 telemetry.device_tags[3] expected a tag name: 1 to 64 letters, digits and _, not beginning with _",
  ]);
});

test("queries go where points go, unless Flight has an address and a token of its own", () => {
  const { influx: same } = configOf(minimal.replace(":8181", ":8181/behind/a/proxy"));
  assert.deepEqual([same.flightUrl, same.queryToken], ["http://127.0.0.1:8181", undefined]);
  const own = configOf(
    `${minimal}flight_url = "https://flight.example.net"\nquery_token = "r"\nquery_timeout = "5m"\nverify = false\n`,
  ).influx;
  assert.deepEqual(
    [own.flightUrl, own.queryToken?.reveal(), own.queryTimeoutMs, own.tls.verify],
    ["https://flight.example.net", "r", 300_000, false],
  );
  using directory = new ConfigDirectory();
  directory.write({
    token: "r",
    "flightline.toml": `${minimal}flight_url = "http://a:1/path"\nquery_token = "r s"\nquery_token_file = "token"\nverify = true\n`,
  });
  assert.deepEqual(complaints(directory.load()), [
    '7 influxdb.flight_url expected a URL without a path, found "http://a:1/path"',
    "8 influxdb.query_token contains a space or a character outside ASCII, which no token has (the value is not shown)",
    "9 influxdb.query_token_file query_token is given too: keep one of the two",
    "10 influxdb.verify has no effect: http:// is plaintext",
  ]);
});

test("how often a row about ourselves is written: a duration from ten seconds on, or none at all", () => {
  const said = (interval: string): string => `${minimal}[telemetry]\nnode_interval = "${interval}"\n`;
  for (const [interval, ms] of [
    ["0s", 0],
    ["10s", 10_000],
    ["15m", 900_000],
    ["24h", 86_400_000],
  ] as const)
    assert.equal(configOf(said(interval)).nodeIntervalMs, ms, interval);
  const expected = 'expected "0s" for none, or a duration from 10s to 24h';
  assert.match(
    complaints(loadText(said("9s")))[0] ?? "",
    new RegExp(`^8 telemetry.node_interval ${expected}`),
  );
  for (const wrong of ["25h", "often", "-1m"])
    assert.match(complaints(loadText(said(wrong)))[0] ?? "", /^8 telemetry.node_interval expected/, wrong);
});

test("a route to the main database has no say in its retention, and is told so", () => {
  const route = (retention: string): string =>
    `${minimal}retention = "90d"\n[[route]]\nmatch = { tenant = "farm" }\ndatabase = "lorawan"\n${retention}\n`;
  assert.deepEqual(complaints(loadText(route(""))), []);
  assert.deepEqual(complaints(loadText(route('retention = "90d"'))), []);
  assert.deepEqual(complaints(loadText(route('retention = "1y"'))), [
    "11 route[0].retention [influxdb] says otherwise of the same database, which can have one",
  ]);
});

test("a device tag may be chosen under another name, which is checked as any other", () => {
  const text = (tags: string): string =>
    `${minimal}[tags]\nsite = "s"\n[telemetry]\ndevice_tags = [${tags}]\n`;
  const result = loadText(text('"building", { key = "asset id", as = "asset" }'));
  assert.ok(result.ok);
  assert.deepEqual(result.config.telemetry.deviceTags, [
    { key: "building", name: "building" },
    { key: "asset id", name: "asset" },
  ]);
  const wrong = loadText(
    text(
      '"site-id", { key = "a", as = "site" }, { key = "b", as = "f_cnt" }, { key = "" , as = "c" }, { key = "d" }',
    ),
  );
  const form = 'expected the key of a device tag, or { key = "…", as = "…" }, found a table';
  assert.deepEqual(complaints(wrong), [
    "10 telemetry.device_tags[0] expected a tag name: 1 to 64 letters, digits and _, not beginning with _",
    '10 telemetry.device_tags[1] "site" is a tag already: a point can have it once',
    '10 telemetry.device_tags[2].as "f_cnt" is a column of ours: choose another name',
    '10 telemetry.device_tags[3].key expected the key of a device tag in ChirpStack: 1 to 256 characters on one line, found ""',
    `10 telemetry.device_tags[4] ${form}`,
  ]);
  assert.ok(!wrong.ok);
  assert.equal(wrong.problems[0]?.hint, '{ key = "site-id", as = "…" } gives it another name');
});

test("the key __proto__ is unknown like any other, and changes no object", () => {
  const result = loadText(`["__proto__"]\nverify = 1\n${minimal}[tags]\n"__proto__" = "x"\n`);
  assert.deepEqual(complaints(result), ["1 __proto__ unknown key", "10 tags.__proto__ unknown key"]);
  assert.equal(Reflect.get({}, "verify"), undefined);
});

test("endless nesting is a problem, not a stack overflow", () => {
  const deep = `${"a.".repeat(20_000)}a = 1\n`;
  const found = complaints(loadText(`${deep}${minimal}`)).join("\n");
  assert.match(found, /^1 a\.a\..* nested deeper than 32 levels/m);
});

test("two sources never share a client id at one broker: they would take each other's place", () => {
  const source = (url: string, clientId: string): string =>
    `[[mqtt]]\nurl = "${url}"\nclient_id = "${clientId}"\n`;
  const influx = '[influxdb]\nurl = "http://127.0.0.1:8181"\ndatabase = "lorawan"\n';
  const refused = (first: string, second: string): string[] =>
    complaints(loadText(`${source("mqtt://broker", "a")}${source(first, second)}${influx}`));
  for (const url of ["mqtt://broker", "mqtt://BROKER:1883/"]) {
    assert.deepEqual(refused(url, "a"), [
      "6 mqtt[1].client_id another [[mqtt]] table has this client id at the same broker: they would take each other's place",
    ]);
  }
  const spelt = `${source("mqtt://bücher.example", "a")}${source("mqtt://xn--bcher-kva.example", "a")}${influx}`;
  assert.equal(complaints(loadText(spelt)).length, 1);
  assert.deepEqual(refused("mqtt://broker", "b"), []);
  assert.deepEqual(refused("mqtt://broker:1884", "a"), []);
  assert.deepEqual(refused("mqtt://other", "a"), []);
});

test("topic filters that both match some topic are refused: what it carries would come twice", () => {
  const text = (topics: string): string => minimal.replace("[influxdb]", `topics = ${topics}\n[influxdb]`);
  const wide =
    '["+/gateway/+/event/stats", "application/1/#", "application/+/device/+/event/+", "eu868/gateway/#"]';
  assert.deepEqual(complaints(loadText(text(wide))), [
    '4 mqtt[0].topics[2] overlaps with "application/1/#": a broker may deliver what matches "application/1/device/+/event/+" twice',
    '4 mqtt[0].topics[3] overlaps with "+/gateway/+/event/stats": a broker may deliver what matches "eu868/gateway/+/event/stats" twice',
  ]);
  const covered = '["application/#", "application/+/device/+/event/+"]';
  assert.deepEqual(complaints(loadText(text(covered))), [
    '4 mqtt[0].topics[1] overlaps with "application/#": a broker may deliver what it matches twice',
  ]);
  const usual = '["application/#", "+/gateway/+/event/stats", "gateway/+/event/stats"]';
  assert.deepEqual(complaints(loadText(text(usual))), []);
});

test("tags and device tags may not be called like columns of ours", () => {
  const text = `${minimal}[tags]\nrssi = "1"\n[telemetry]\ndevice_tags = ["f_cnt", "channel", "floor"]\n`;
  assert.deepEqual(complaints(loadText(text)), [
    '8 tags.rssi "rssi" is a column of ours: choose another name',
    '10 telemetry.device_tags[0] "f_cnt" is a column of ours: choose another name',
    '10 telemetry.device_tags[1] "channel" is a column of ours: choose another name',
  ]);
});

test("a journal directory that cannot be one is refused; one that is not there yet is right", () => {
  using directory = new ConfigDirectory();
  symlinkSync(join(directory.path, "nowhere"), join(directory.path, "link"));
  const complaintsAbout = (dir: string): string[] => {
    directory.write({ "flightline.toml": `${minimal}[journal]\ndir = "${dir}"\n` });
    return complaints(directory.load());
  };
  const at = (name: string): string => `8 journal.dir ${join(directory.path, name)}`;
  assert.deepEqual(complaintsAbout("flightline.toml"), [`${at("flightline.toml")} is not a directory`]);
  assert.deepEqual(complaintsAbout("flightline.toml/below"), [
    `${at("flightline.toml/below")} does not exist: a part of its path is no directory`,
  ]);
  assert.deepEqual(complaintsAbout("link"), [`${at("link")} is a symbolic link to nothing`]);
  assert.deepEqual(complaintsAbout("."), []);
  assert.deepEqual(complaintsAbout("not/yet"), []);
});

test("an empty file name is called that", () => {
  const result = loadConfig({ file: "", env: {} });
  assert.ok(!result.ok);
  assert.equal(
    result.problems.map(formatProblem).join(""),
    '"": is not the name of a file\n    name one: --config flightline.toml\n',
  );
});

test("a payload key cannot be renamed onto a tag, static or of the device", () => {
  const profile = '[[profile]]\nmatch = { profile = "p" }\nrename = { a = "site", b = "house" }\n';
  const tags = '[tags]\nsite = "x"\n[telemetry]\ndevice_tags = [{ key = "building id", as = "house" }]\n';
  assert.deepEqual(
    complaints(loadText(`${minimal}\n${tags}${profile}`)).map((line) => line.replace(/^\d+ /, "")),
    [
      'profile[0].rename.a "site" is a tag: choose another name',
      'profile[0].rename.b "house" is a tag: choose another name',
    ],
  );
});
