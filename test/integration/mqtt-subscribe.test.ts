/** Brokers that take their time with SUBACK, or for ever. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { mqttConfig, runSource } from "../support/mqtt-source.ts";
import { startScriptedBroker } from "../support/mqtt-script.ts";
import { waitFor } from "../support/wait.ts";

/** Accepts every connection, sends the messages of a resumed session, and answers SUBSCRIBE as `suback` says. */
async function backlogBroker(
  t: { after(fn: () => void): void },
  messages: number,
  suback: (answer: () => void) => void,
): Promise<string> {
  return await startScriptedBroker(t, (packet, answer) => {
    if (packet.cmd === "connect") {
      answer({ cmd: "connack", reasonCode: 0, sessionPresent: messages > 0 });
      for (let messageId = 1; messageId <= messages; messageId += 1) {
        const topic = "application/a";
        answer({ cmd: "publish", topic, payload: "x", qos: 1, messageId, dup: false, retain: false });
      }
    }
    const { messageId } = packet;
    if (packet.cmd !== "subscribe" || messageId === undefined) return;
    suback(() => {
      answer({ cmd: "suback", messageId, granted: [1] });
    });
  });
}

test("a broker that accepts us and never answers SUBSCRIBE is given up, said, and tried again", async (t) => {
  let subscribes = 0;
  const url = await backlogBroker(t, 0, (answer) => {
    subscribes += 1;
    if (subscribes === 3) answer();
  });
  const startMs = performance.now();
  const run = runSource(t, { config: mqttConfig({ url, connectTimeoutMs: 300 }), random: () => 0 });
  const fault = await run.faulted("broker_silent", 2000);
  assert.ok(performance.now() - startMs >= 290, "not before the time is over");
  assert.match(fault.message, /no answer to SUBSCRIBE within 0\.3 s/);
  assert.equal(fault.disposition, "retry");
  await run.subscribed(3);
  assert.equal(run.source.status.lastFault, undefined);
});

test("a SUBACK behind a backlog that waits for commits is waited for", async (t) => {
  const url = await backlogBroker(t, 3, (answer) => {
    answer();
  });
  const relieved = Promise.withResolvers<void>();
  const run = runSource(t, {
    config: mqttConfig({ url, connectTimeoutMs: 200 }),
    pressure: () => relieved.promise,
  });
  await run.received(1);
  const heldMs = performance.now();
  await waitFor(() => performance.now() - heldMs > 700, { what: "three connect timeouts to pass" });
  assert.deepEqual([run.faultCodes, run.source.status.state, run.deliveries.length], [[], "connecting", 1]);
  relieved.resolve();
  await run.subscribed();
  assert.equal(run.deliveries.length, 3);
  assert.equal(run.source.status.connects, 1);
});
