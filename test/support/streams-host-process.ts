/** A small daemon that asks one query (its argument) of a streams process, says the pid of that, and lives on. */
import { openStreams } from "../../src/streams/streams.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { RecordingLog } from "./fakes/recording-log.ts";
import { waitFor } from "./wait.ts";

const [text = ""] = process.argv.slice(2);
const streams = openStreams({
  connections: {
    main: { url: "http://127.0.0.1:1", database: "lorawan", tls: { verify: true }, timeoutMs: 60_000 },
  },
  log: new RecordingLog(),
  clock: systemClock,
  random: Math.random,
  isParked: () => false,
  entry: new URL("./faulty-streams-process.ts", import.meta.url),
});
const never = new AbortController().signal;
const nothing = (): void => undefined;
void streams.run({ drain: never, abort: never, beat: nothing, ready: nothing });
void streams.port.query({ text }).collect();
await waitFor(() => streams.port.status().underWay === 1, {
  timeoutMs: 20_000,
  what: "the query to be under way",
});
process.stdout.write(`${streams.port.status().pid}\n`);
