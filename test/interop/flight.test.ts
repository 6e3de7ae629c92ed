/**
 * PyArrow's Flight server and our client keep the contract of test/support/flight-contract.ts. Not run by default:
 * scripts/interop sets FLIGHTLINE_INTEROP=1 and brings a python3 with PyArrow.
 */
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { flightContract } from "../support/flight-contract.ts";
import type { FlightPeer, PeerCounters } from "../support/flight-scenarios.ts";
import { FlightStage } from "../support/flight-stage.ts";
import { startPython, withoutPython } from "../support/python.ts";

const program = join(import.meta.dirname, "flight-server.py");

async function startPyArrow(): Promise<FlightPeer> {
  const python = startPython(program);
  const { port } = (await python.nextAnswer()) as { readonly port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    async counters() {
      python.send("counters");
      return (await python.nextAnswer()) as PeerCounters;
    },
    stop: async () => await python.end(),
  };
}

const skip = withoutPython("pyarrow.flight", "to try PyArrow's Flight server with our client");
/** A report shows skipped tests, and no skipped suites. */
function suite(name: string, define: () => void): void {
  if (skip === false) describe(name, define);
  else test(name, { skip }, define);
}

suite("PyArrow's Flight server and our client", () => {
  const stage = new FlightStage(startPyArrow);
  before(async () => await stage.open());
  after(async () => await stage.close());
  for (const [name, check] of Object.entries(flightContract)) {
    test(name, async () => await check(stage));
  }
});
