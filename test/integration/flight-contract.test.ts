/** Our Flight client and the server that the other Flight tests plant their faults in. */
import { after, before, describe, test } from "node:test";
import { flightContract } from "../support/flight-contract.ts";
import { startScenarioServer } from "../support/flight-scenarios.ts";
import { FlightStage } from "../support/flight-stage.ts";

describe("a Flight server of our own and our client", () => {
  const stage = new FlightStage(startScenarioServer);
  before(async () => await stage.open());
  after(async () => await stage.close());
  for (const [name, check] of Object.entries(flightContract)) {
    test(name, async () => await check(stage));
  }
});
