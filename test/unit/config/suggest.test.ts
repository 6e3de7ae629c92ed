import assert from "node:assert/strict";
import { test } from "node:test";
import { configSchema } from "../../../src/config/config.ts";
import { nearestName, suggestKey } from "../../../src/config/suggest.ts";

const names = ["receive_maximum", "session_expiry", "url", "topics"];

test("a name with a typing mistake or two finds the one that was meant", () => {
  assert.equal(nearestName("recieve_maximum", names), "receive_maximum");
  assert.equal(nearestName("receive-maximum", names), "receive_maximum");
  assert.equal(nearestName("sessionexpiry", names), "session_expiry");
  assert.equal(nearestName("topic", names), "topics");
  assert.equal(nearestName("URL", names), "url");
  assert.equal(nearestName("ulr", names), "url");
});

test("a name that resembles none finds none", () => {
  assert.equal(nearestName("colour", names), undefined);
  assert.equal(nearestName("", names), undefined);
  assert.equal(nearestName("x".repeat(10_000), names), undefined);
});

test("a key in the wrong table is shown the right one", () => {
  assert.equal(suggestKey(configSchema, ["database"]), "database belongs in [influxdb] or [[route]]");
  assert.equal(
    suggestKey(configSchema, ["journal", "receive_maximum"]),
    "receive_maximum belongs in [[mqtt]]",
  );
  assert.equal(suggestKey(configSchema, ["ca_file"]), "ca_file belongs in [[mqtt]] or [influxdb]");
});

test("a key that stands at the top of the file is shown there", () => {
  assert.equal(suggestKey(configSchema, ["influxdb", "node"]), "node belongs above all tables");
  assert.equal(
    suggestKey(configSchema, ["telemetry", "tags"]),
    "tags is a table of its own: [tags], or belongs in match of [[profile]]",
  );
  assert.equal(
    suggestKey(configSchema, ["telemetry", "profile"]),
    "profile is a table of its own: [[profile]], or belongs in match of [[profile]]",
  );
});

test("a key like nothing else is shown what the table knows", () => {
  assert.equal(suggestKey(configSchema, ["log", "colour"]), "known here: format, level");
  assert.equal(suggestKey(configSchema, ["nowhere", "x"]), undefined);
});
