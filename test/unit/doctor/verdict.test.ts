import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Finding, Severity } from "../../../src/doctor/finding.ts";
import {
  isNetworkKnown,
  networkFailure,
  type PeerFindings,
  type Shown,
  summarise,
} from "../../../src/doctor/verdict.ts";

function peer(part: string, host: string, code?: string, isOver = true): PeerFindings {
  const finding: Finding = { check: `${part}.x`, severity: "failure", text: `${part} of ${host}`, code };
  return { part, host, findings: code === undefined ? [] : [finding], isOver };
}

function causeOf(...peers: readonly PeerFindings[]): string | undefined {
  return networkFailure(peers)?.finding.code;
}

describe("the lowest failing layer", () => {
  test("several hosts that cannot be reached for a reason of the network have one cause", () => {
    const lookups = [peer("a", "h", "name_lookup_failed"), peer("b", "i", "name_lookup_failed")];
    const ways = [peer("a", "h", "host_unreachable"), peer("b", "i", "connect_timeout")];
    const names = [peer("a", "h", "name_not_found"), peer("b", "i", "name_not_found")];
    assert.equal(causeOf(...lookups), "dns_silent");
    assert.equal(causeOf(...ways), "uplink_down");
    assert.equal(causeOf(...names), "dns_knows_nothing");
  });

  test("two parts that complain of one host are no network", () => {
    assert.equal(causeOf(peer("a", "h", "name_not_found"), peer("b", "h", "name_not_found")), undefined);
  });

  test("one part that complains, or refusals of two, are no network", () => {
    assert.equal(causeOf(peer("a", "h", "name_lookup_failed"), peer("b", "i")), undefined);
    assert.equal(
      causeOf(peer("a", "h", "connection_refused"), peer("b", "i", "connection_refused")),
      undefined,
    );
  });

  test("where another part has a connection to somewhere else, the uplink is not down", () => {
    const ways = [peer("a", "10.9.9.9", "host_unreachable"), peer("b", "10.9.9.8", "host_unreachable")];
    const line = (check: string, severity: Severity): Finding => ({ check, severity, text: "" });
    const beside = (host: string, isOver: boolean, ...findings: readonly Finding[]): string | undefined =>
      causeOf(...ways, { part: "c", host, findings, isOver });
    const refused: Finding = { ...line("broker.c.connect", "failure"), code: "broker_bad_credentials" };
    assert.equal(beside("10.9.9.7", true, line("broker.c.tcp", "ok"), refused), undefined);
    assert.equal(beside("10.9.9.7", true, line("flight.c.query", "ok")), undefined);
    assert.equal(beside("127.0.0.1", true, line("broker.c.tcp", "ok")), "uplink_down");
    assert.equal(beside("10.9.9.7", true, line("broker.c.name", "ok"), refused), "uplink_down");
    assert.equal(beside("10.9.9.7", true, line("broker.c.tcp", "skipped")), "uplink_down");
    assert.equal(beside("10.9.9.7", false, line("broker.c.name", "ok")), "uplink_down");
  });

  test("a warning is no complaint", () => {
    const doubt: Finding = { check: "b.x", severity: "warning", text: "b", code: "name_lookup_failed" };
    const doubtful: PeerFindings = { part: "b", host: "i", findings: [doubt], isOver: true };
    assert.equal(causeOf(peer("a", "h", "name_lookup_failed"), doubtful), undefined);
  });

  test("the failure says whom it concerns and what to do; only what it explains is behind it", () => {
    const refused = peer("c", "127.0.0.1", "connection_refused");
    const peers = [peer("a", "h", "name_lookup_failed"), peer("b", "i", "name_lookup_failed"), refused];
    const failure = networkFailure(peers);
    assert.deepEqual(
      [failure?.finding.check, failure?.finding.severity, failure?.finding.text],
      ["network", "failure", "no DNS server answers this machine: a and b cannot work"],
    );
    assert.match(failure?.finding.hint ?? "", /resolv\.conf/);
    assert.deepEqual(
      [...(failure?.behind ?? [])].map(({ check }) => check),
      ["a.x", "b.x"],
    );
  });
});

describe("whether the network is the cause", () => {
  test("is known when at most one part could be in it", () => {
    const rows: readonly (readonly [string, readonly PeerFindings[], boolean])[] = [
      ["nobody", [], true],
      ["one, not over", [peer("a", "h", undefined, false)], true],
      ["two, not over", [peer("a", "h", undefined, false), peer("b", "i", undefined, false)], false],
      ["one over and well", [peer("a", "h"), peer("b", "i", undefined, false)], true],
      ["one over and ill", [peer("a", "h", "connect_timeout"), peer("b", "i", undefined, false)], false],
      ["all over", [peer("a", "h", "connect_timeout"), peer("b", "i", "connect_timeout")], true],
    ];
    for (const [what, peers, expected] of rows) assert.equal(isNetworkKnown(peers), expected, what);
  });
});

test("failures behind another one are not counted as failures, and the first that stands is the lowest", () => {
  const shown = (check: string, severity: Severity, behind?: string): Shown => ({
    part: "p",
    check,
    severity,
    text: "",
    behind,
  });
  const summary = summarise([
    shown("a", "ok"),
    shown("b", "failure", "network"),
    shown("network", "failure"),
    shown("c", "warning"),
    shown("d", "skipped"),
    shown("e", "failure"),
  ]);
  const { lowest, ...counts } = summary;
  assert.equal(lowest?.check, "network");
  assert.deepEqual(counts, { ok: 1, warnings: 1, failures: 2, behind: 1, skipped: 1 });
});
