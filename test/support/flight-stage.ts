/** A Flight server and our client, for the tests of flight-contract.ts. */
import assert from "node:assert/strict";
import type { FlightClient, FlightQuery, FlightStream } from "../../src/influx/flight/api.ts";
import { createFlightClient } from "../../src/influx/flight/client.ts";
import { Fault } from "../../src/lib/fault.ts";
import { Secret } from "../../src/lib/secret.ts";
import type { FlightPeer, PeerCounters } from "./flight-scenarios.ts";
import { waitFor } from "./wait.ts";

const freedWithinMs = 1000;

/** By name. */
export type Properties = Readonly<Record<string, (stage: FlightStage) => Promise<void>>>;

/** One for each case. */
export function propertiesOf<Case>(
  cases: readonly Case[],
  propertyOf: (each: Case) => readonly [name: string, check: Properties[string]],
): Properties {
  return Object.fromEntries(cases.map((each) => propertyOf(each)));
}

export class FlightStage {
  readonly #startPeer: () => Promise<FlightPeer>;
  #peer: FlightPeer | undefined;
  #client: FlightClient | undefined;

  constructor(startPeer: () => Promise<FlightPeer>) {
    this.#startPeer = startPeer;
  }

  async open(): Promise<void> {
    this.#peer = await this.#startPeer();
    this.#client = this.newClient();
  }

  async close(): Promise<void> {
    this.#client?.close();
    await this.#peer?.stop();
  }

  newClient(): FlightClient {
    assert.ok(this.#peer !== undefined);
    const config = {
      url: this.#peer.url,
      database: "farm",
      token: new Secret("apiv3_s3cret"),
      tls: { verify: true },
      timeoutMs: 30_000,
    };
    return createFlightClient(config, { random: () => 0 });
  }

  query(text: string, more: Partial<FlightQuery> = {}): FlightStream {
    assert.ok(this.#client !== undefined);
    return this.#client.query({ text, ...more });
  }

  async counters(): Promise<PeerCounters> {
    assert.ok(this.#peer !== undefined);
    return await this.#peer.counters();
  }

  /** Runs `leave`; then the server must hear of it soon. */
  async assertFreed(leave: () => Promise<void>): Promise<void> {
    const { cancelled } = await this.counters();
    await leave();
    await waitFor(async () => (await this.counters()).cancelled === cancelled + 1, {
      what: "the end of the query on the server",
      timeoutMs: freedWithinMs,
    });
  }
}

export async function faultOf(reading: Promise<unknown>): Promise<Fault> {
  const outcome = await reading.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(outcome instanceof Fault, `no fault but ${String(outcome)}`);
  return outcome;
}
