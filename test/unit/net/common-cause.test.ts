import assert from "node:assert/strict";
import { test } from "node:test";
import { commonCause, type Complaint } from "../../../src/net/common-cause.ts";
import { diagnose, type Target } from "../../../src/net/diagnose.ts";

const targets: Readonly<Record<string, Target>> = { mqtt: "broker", flight: "flight" };

/** A connection of `where` to the URL that failed with that code of Node.js. */
function failed(where: string, url: string, code: string): Complaint {
  const error = Object.assign(new Error(`connect ${code}`), { code });
  const fault = diagnose(error, { target: targets[where] ?? "write", url });
  return { where, host: new URL(url).hostname, fault };
}

/** What has no code of Node.js. */
function complaint(where: string, code: string, host?: string): Complaint {
  return { where, host, fault: { code } };
}

/** Code of the common cause and the parts behind it. */
function found(complaints: readonly Complaint[], reached: readonly string[] = []): unknown {
  const common = commonCause(complaints, reached);
  return common && [common.fault.code, ...common.behind.map(({ where }) => where)];
}

const unknownA = failed("mqtt", "mqtt://a.example", "ENOTFOUND");
const silentA = failed("mqtt", "mqtt://a.example", "EAI_AGAIN");
const silentB = failed("influxdb", "https://b.example:8181", "EAI_AGAIN");
const waylessA = failed("mqtt", "mqtt://a.example", "EHOSTUNREACH");
const waylessB = failed("influxdb", "https://b.example:8181", "ENETUNREACH");

test("a name that could not be looked up and names that are unknown are one: DNS is silent", () => {
  const complaints = [unknownA, silentB, failed("flight", "https://c.example", "ENOTFOUND")];
  assert.deepEqual(found(complaints), ["dns_silent", "mqtt", "influxdb", "flight"]);
  const { fault } = commonCause(complaints, []) ?? {};
  assert.equal(fault?.layer, "network");
  assert.match(fault.message, /no DNS server answers this machine: mqtt, influxdb and flight cannot work/);
  assert.match(fault.hint ?? "", /resolv\.conf/);
});

test("names of several hosts that DNS does not know are one, and names of one host are that host's", () => {
  const unknownB = failed("influxdb", "https://b.example", "ENOTFOUND");
  assert.deepEqual(found([unknownA, unknownB]), ["dns_knows_nothing", "mqtt", "influxdb"]);
  const same = [unknownB, failed("flight", "https://b.example:8082", "ENOTFOUND")];
  assert.equal(found(same), undefined);
});

test("hosts without a way to them are one: the uplink, which explains lost connections and silence too", () => {
  assert.deepEqual(
    found([
      waylessA,
      silentB,
      complaint("flight", "flight_timeout", "c.example"),
      complaint("main", "flight_cut_off", "c.example"),
      complaint("mqtt2", "broker_connection_lost"),
    ]),
    ["uplink_down", "mqtt", "influxdb", "flight", "main", "mqtt2"],
  );
  const late = failed("flight", "https://c.example", "ETIMEDOUT");
  assert.deepEqual(found([waylessA, late]), ["uplink_down", "mqtt", "flight"]);
});

test("services of one host are one, whatever their ports and schemes", () => {
  const host = ["mqtt://10.9.9.9:1883", "mqtt://10.9.9.9:1884", "https://10.9.9.9:8181"];
  const complaints = host.map((url, index) => failed(`part${index}`, url, "EHOSTUNREACH"));
  assert.equal(found(complaints), undefined);
  const late = failed("flight", "https://10.9.9.9:8082", "ETIMEDOUT");
  assert.equal(found([...complaints, late]), undefined, "nor is its silence another host's");
  const other = failed("flight", "https://10.9.9.8:8082", "ETIMEDOUT");
  assert.deepEqual(found([...complaints, other]), ["uplink_down", "part0", "part1", "part2", "flight"]);
});

test("nothing is concluded against a connection that stands", () => {
  assert.equal(found([waylessA, waylessB], ["10.9.9.10"]), undefined);
  assert.equal(found([waylessA, waylessB], ["c.example"]), undefined);
  assert.equal(found([silentA, silentB], ["c.example"]), undefined);
  // An address is reached without DNS, and this machine without a network.
  for (const reached of ["10.9.9.10", "[2001:db8::1]", "127.0.0.1", "[::1]", "localhost"]) {
    assert.deepEqual(found([silentA, silentB], [reached]), ["dns_silent", "mqtt", "influxdb"], reached);
  }
  for (const reached of ["127.0.0.1", "[::1]", "localhost"]) {
    assert.deepEqual(found([waylessA, waylessB], [reached]), ["uplink_down", "mqtt", "influxdb"], reached);
  }
});

test("what the network does not explain is not put behind it", () => {
  assert.deepEqual(
    found([
      complaint("main", "broker_bad_credentials", "c.example"),
      waylessA,
      waylessB,
      complaint("journal", "journal_full"),
      complaint("local", "broker_connection_lost", "127.0.0.1"),
    ]),
    ["uplink_down", "mqtt", "influxdb"],
  );
  // Addresses are reached without DNS.
  const late = failed("main", "mqtt://192.0.2.1", "ETIMEDOUT");
  assert.deepEqual(found([late, silentA, silentB]), ["dns_silent", "mqtt", "influxdb"]);
});

test("one complaint, one part, timeouts alone, or hosts that nobody knows prove nothing about the network", () => {
  const other = failed("mqtt", "mqtt://c.example", "EHOSTUNREACH");
  const late = ["a", "b"].map((name) => failed(name, `https://${name}.example`, "ETIMEDOUT"));
  const local = failed("influxdb", "http://127.0.0.1:8181", "ETIMEDOUT");
  assert.equal(found([]), undefined);
  assert.equal(found([waylessA]), undefined);
  assert.equal(found([waylessA, other]), undefined);
  assert.equal(found(late), undefined);
  assert.equal(found([waylessA, local]), undefined);
  assert.equal(found([waylessA, complaint("b", "host_unreachable")]), undefined);
  assert.equal(found([waylessA, complaint("b", "write_unauthorized", "b.example")]), undefined);
});

test("the sentence names a few of many parts", () => {
  const sentence = (count: number): string | undefined => {
    const many = Array.from({ length: count }, (_, index) => `b${index + 1}`);
    const complaints = many.map((name) => failed(name, `mqtt://${name}.example`, "EHOSTUNREACH"));
    return commonCause(complaints, [])?.fault.message.replace(/^.*: /, "");
  };
  assert.equal(sentence(2), "b1 and b2 cannot work");
  assert.equal(sentence(6), "b1, b2, b3, b4, b5 and b6 cannot work");
  assert.equal(sentence(7), "b1, b2, b3, b4, b5 and 2 more cannot work");
  assert.equal(sentence(42), "b1, b2, b3, b4, b5 and 37 more cannot work");
});
