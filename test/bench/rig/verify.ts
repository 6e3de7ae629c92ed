/** The end of a benchmark: everything that was published has come through, and then the daemon ends well. */
import type { Mosquitto } from "../../support/mosquitto.ts";
import { assertNothingDropped } from "./broker.ts";
import type { Daemon } from "./daemon.ts";
import type { Publisher } from "./publisher.ts";
import type { Sink } from "./sink.ts";

export interface Road {
  readonly broker: Mosquitto;
  readonly publisher: Publisher;
  readonly daemon: Daemon;
  readonly sink: Sink;
}

/** Throws when mosquitto dropped something, an uplink did not come to the sink as it should, or the daemon complains. */
export async function verifyAndStop({ broker, publisher, daemon, sink }: Road): Promise<void> {
  assertNothingDropped(broker);
  await sink.deliveries(publisher.published);
  await daemon.verify();
  await daemon.stop();
}
