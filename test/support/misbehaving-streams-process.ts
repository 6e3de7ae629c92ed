/** The real body of a streams process over the real client; what is no SELECT misbehaves as its text says. */
import { createFlightClient } from "../../src/influx/flight/client.ts";
import { runProcessBody } from "../../src/streams/process-body.ts";
import { fakeFlightClient, newCounters } from "./fakes/flight-client.ts";

const counters = newCounters();
runProcessBody((config) => {
  const real = createFlightClient(config);
  const faulty = fakeFlightClient(config, counters);
  return {
    query: (query) => (query.text.startsWith("SELECT ") ? real : faulty).query(query),
    close: () => {
      real.close();
      faulty.close();
    },
  };
});
