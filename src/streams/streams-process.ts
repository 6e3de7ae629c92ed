import { createFlightClient } from "../influx/flight/client.ts";
import { runProcessBody } from "./process-body.ts";

/** The program that streams-host.ts starts. */
runProcessBody((config) => createFlightClient(config));
