import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import type * as MqttPacket from "mqtt-packet";
import { runSession } from "../../../src/mqtt/session.ts";

test("the serializer that mqtt itself loads keeps no cache of numbers", () => {
  // What is loaded with it switches the cache off.
  assert.equal(typeof runSession, "function");
  const fromMqtt = createRequire(createRequire(import.meta.url).resolve("mqtt"));
  const { writeToStream } = fromMqtt("mqtt-packet") as typeof MqttPacket;
  assert.equal(writeToStream.cacheNumbers, false);
});
