import assert from "node:assert/strict";
import { test } from "node:test";
import { commonCause, type Complaint } from "../../../src/net/common-cause.ts";

function complaint(where: string, code: string, message: string = code): Complaint {
  return { where, fault: { code, message } };
}

/** Code of the common cause and the parts behind it. */
function found(...complaints: readonly Complaint[]): unknown {
  const common = commonCause(complaints);
  return common && [common.fault.code, ...common.behind.map(({ where }) => where)];
}

test("a name that could not be looked up and names that are unknown are one: DNS is silent", () => {
  const complaints = [
    complaint("mqtt", "name_not_found", "the name a does not exist"),
    complaint("influxdb", "name_lookup_failed", "the name b could not be looked up"),
    complaint("flight", "name_not_found", "the name c does not exist"),
  ];
  assert.deepEqual(found(...complaints), ["dns_silent", "mqtt", "influxdb", "flight"]);
  const { fault } = commonCause(complaints) ?? {};
  assert.equal(fault?.layer, "network");
  assert.match(fault.message, /no DNS server answers this machine: mqtt, influxdb and flight cannot work/);
  assert.match(fault.hint ?? "", /resolv\.conf/);
});

test("names of several hosts that DNS does not know are one, and names of one host are that host's", () => {
  const [a, b] = ["the name a does not exist", "the name b does not exist"];
  assert.deepEqual(
    found(complaint("mqtt", "name_not_found", a), complaint("influxdb", "name_not_found", b)),
    ["dns_knows_nothing", "mqtt", "influxdb"],
  );
  const same = [complaint("influxdb", "name_not_found", a), complaint("flight", "name_not_found", a)];
  assert.equal(found(...same), undefined);
});

test("hosts without a way to them are one: the uplink, which explains lost connections and silence too", () => {
  assert.deepEqual(
    found(
      complaint("mqtt", "host_unreachable", "no way to a"),
      complaint("influxdb", "name_lookup_failed"),
      complaint("flight", "flight_timeout"),
      complaint("mqtt2", "broker_connection_lost"),
    ),
    ["uplink_down", "mqtt", "influxdb", "flight", "mqtt2"],
  );
  assert.deepEqual(found(complaint("mqtt", "host_unreachable"), complaint("flight", "connect_timeout")), [
    "uplink_down",
    "mqtt",
    "flight",
  ]);
});

test("what the network does not explain is not put behind it", () => {
  assert.deepEqual(
    found(
      complaint("mqtt", "broker_bad_credentials"),
      complaint("a", "host_unreachable", "no way to a"),
      complaint("b", "host_unreachable", "no way to b"),
      complaint("journal", "journal_full"),
    ),
    ["uplink_down", "a", "b"],
  );
  // Addresses are reached without DNS.
  assert.deepEqual(
    found(
      complaint("mqtt", "connect_timeout"),
      complaint("a", "name_lookup_failed", "a"),
      complaint("b", "name_lookup_failed", "b"),
    ),
    ["dns_silent", "a", "b"],
  );
});

test("one complaint, one part, or timeouts alone prove nothing about the network", () => {
  assert.equal(found(), undefined);
  assert.equal(found(complaint("mqtt", "host_unreachable")), undefined);
  assert.equal(
    found(complaint("a", "host_unreachable", "x"), complaint("a", "host_unreachable", "y")),
    undefined,
  );
  assert.equal(
    found(complaint("a", "host_unreachable", "x"), complaint("b", "host_unreachable", "x")),
    undefined,
  );
  assert.equal(
    found(complaint("a", "connect_timeout", "x"), complaint("b", "connect_timeout", "y")),
    undefined,
  );
  assert.equal(found(complaint("a", "host_unreachable"), complaint("b", "write_unauthorized")), undefined);
});
