/** The real body of a streams process over a client whose queries misbehave as their text says. */
import { runProcessBody } from "../../src/streams/process-body.ts";
import { fakeFlightClient, newCounters } from "./fakes/flight-client.ts";

const counters = newCounters();
runProcessBody((config) => fakeFlightClient(config, counters));
