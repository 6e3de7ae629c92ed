/** A Flight channel in a test's hands, and a server that ends with the test. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { inspect } from "node:util";
import type { FlightConfig } from "../../src/influx/flight/api.ts";
import type { FlightCall, FlightMessage } from "../../src/influx/flight/call.ts";
import {
  openChannel,
  type CallOptions,
  type ChannelTimes,
  type FlightChannel,
} from "../../src/influx/flight/channel.ts";
import { Fault } from "../../src/lib/fault.ts";
import { Secret } from "../../src/lib/secret.ts";
import type { Outages } from "../../src/net/probe-outage.ts";
import { startFlightServer, type FlightServer, type FlightServerOptions } from "./flight-server.ts";

export const token = "apiv3_not-to-be-seen";

export async function flightServer(
  t: TestContext,
  doGet: FlightServerOptions["doGet"],
  more: Omit<FlightServerOptions, "doGet"> = {},
): Promise<FlightServer> {
  const server = await startFlightServer({ doGet, ...more });
  t.after(async () => {
    await server.stop();
    assert.deepEqual(server.errors, []);
  });
  return server;
}

export function flightChannel(
  t: TestContext,
  url: string,
  more: Partial<FlightConfig> = {},
  times?: ChannelTimes,
  outages?: Outages,
): FlightChannel {
  const config: FlightConfig = {
    url,
    database: "gateway",
    token: new Secret(token),
    tls: { verify: true },
    timeoutMs: 5000,
    ...more,
  };
  const channel = openChannel(config, times, outages);
  t.after(() => channel.close());
  return channel;
}

export function ask(
  channel: FlightChannel,
  ticket = "ask",
  { timeoutMs = 5000, ...more }: Partial<CallOptions> & { readonly timeoutMs?: number } = {},
): FlightCall {
  const deadlineMs = performance.now() + timeoutMs;
  return channel.doGet(Buffer.from(ticket), { requestId: "id-1", database: "gateway", deadlineMs, ...more });
}

/** To the end. */
export async function readAll(call: FlightCall): Promise<FlightMessage[]> {
  const messages: FlightMessage[] = [];
  for (;;) {
    const message = await call.next();
    if (message === undefined) return messages;
    messages.push(message);
  }
}

/** The fault with which a call ends, which has no token in it. */
export async function faultOf(call: FlightCall): Promise<Fault> {
  const [ended] = await Promise.allSettled([readAll(call)]);
  assert.equal(ended.status, "rejected");
  const fault: unknown = ended.reason;
  assert.ok(fault instanceof Fault, inspect(fault));
  assert.ok(!inspect(fault).includes(token));
  await assert.rejects(call.next(), (again) => again === fault);
  call.cancel();
  return fault;
}
