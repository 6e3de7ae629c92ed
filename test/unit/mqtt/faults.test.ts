import assert from "node:assert/strict";
import { test } from "node:test";
import { ErrorWithReasonCode } from "mqtt";
import {
  connectFault,
  connectionFault,
  isUnsupportedVersion,
  lostFault,
  qos0Fault,
  reasonFault,
  silentFault,
} from "../../../src/mqtt/faults.ts";

const url = "mqtt://broker:1883";

test("reason codes of both versions of MQTT have one name for one cause", () => {
  const codes: readonly (readonly [string, readonly number[]])[] = [
    ["broker_refused", [1, 132, 128, 130, 0, 999]],
    ["broker_client_id_refused", [2, 133]],
    ["broker_unavailable", [3, 136, 137, 139]],
    ["broker_bad_credentials", [4, 134]],
    ["broker_not_authorized", [5, 135]],
    ["broker_session_taken_over", [142]],
    ["broker_receive_maximum", [147]],
    ["broker_packet_too_large", [149]],
  ];
  const needPerson = new Set(["broker_client_id_refused", "broker_bad_credentials", "broker_not_authorized"]);
  for (const [code, reasonCodes] of codes) {
    for (const reasonCode of reasonCodes) {
      const fault = reasonFault(reasonCode, url);
      assert.equal(fault.code, code, `reason code ${reasonCode}`);
      const waitsForPerson = needPerson.has(code);
      assert.deepEqual([fault.layer, fault.disposition], ["broker", waitsForPerson ? "fatal" : "retry"]);
      assert.ok(fault.message.includes(url));
      assert.notEqual(fault.hint ?? "", "");
    }
  }
});

test("a reason code without a name of its own is quoted", () => {
  assert.match(reasonFault(152, url).message, /152/);
});

test("a quota, a broker that has moved and one that takes no more connections say what to do", () => {
  const rows: readonly (readonly [number, RegExp, RegExp])[] = [
    [151, /quota is exceeded/, /raise the limit/],
    [157, /moved to another address/, /name that as url in \[\[mqtt\]\]/],
    [159, /takes no more connections/, /tried again.*max_conn_rate/],
  ];
  for (const [reasonCode, says, hint] of rows) {
    const fault = reasonFault(reasonCode, url);
    assert.equal(fault.code, "broker_refused");
    assert.match(fault.message, says);
    assert.match(fault.hint ?? "", hint);
    assert.doesNotMatch(fault.hint ?? "", /specification/);
  }
});

test("only the two codes for it mean that the version is not supported", () => {
  for (const code of [1, 132]) assert.ok(isUnsupportedVersion(new ErrorWithReasonCode("", code)));
  for (const code of [0, 5, 128, 135])
    assert.equal(isUnsupportedVersion(new ErrorWithReasonCode("", code)), false);
  assert.equal(isUnsupportedVersion(Object.assign(new Error("no"), { code: 1 })), false);
});

test("an error before the broker accepted us is told from one after", () => {
  const ownError = new Error("Invalid header flag bits, must be 0x0 for puback packet");
  assert.equal(connectFault(ownError, url).code, "broker_silent");
  assert.match(connectFault(ownError, url).message, /does not answer in MQTT$/);
  assert.equal(connectionFault(ownError, url).code, "broker_connection_lost");

  const reset = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
  assert.equal(connectFault(reset, url).code, "broker_silent");
  assert.equal(connectionFault(reset, url).code, "broker_connection_lost");

  const refused = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
  assert.equal(connectFault(refused, url).code, "connection_refused");

  const answered = new ErrorWithReasonCode("Connection refused: Not authorized", 135);
  for (const explain of [connectFault, connectionFault]) {
    assert.equal(explain(answered, url).code, "broker_not_authorized");
    const already = lostFault(url);
    assert.equal(explain(already, url), already);
  }
});

test("sentences and hints carry what the operator needs", () => {
  assert.match(silentFault(url, 2500).message, /2\.5 s/);
  assert.match(silentFault(url, 2500).hint ?? "", /mqtts:\/\//);
  const qos0 = qos0Fault("application/a", url);
  assert.equal(qos0.layer, "network_server");
  assert.match(qos0.hint ?? "", /qos=1.*\[integration\.mqtt\].*chirpstack\.toml/);
});
