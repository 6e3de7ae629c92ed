/** `[journal]`: where messages are kept until InfluxDB has them, and how much of it. */
import { directoryPath, durationMs, oneOf, sizeBytes, table } from "../lib/schema.ts";

export interface JournalConfig {
  /** Absolute. */
  readonly dir: string;
  /** The longest that a message waits for its commit. */
  readonly commitIntervalMs: number;
  /** undefined: the smaller of 2 GiB and 20 % of the disk. */
  readonly maxSizeBytes: number | undefined;
  /** How long a settled message stays, for replay. */
  readonly keepSettledMs: number;
  readonly whenFull: "drop_oldest" | "stop_acking";
}

const shape = {
  dir: directoryPath("/var/lib/flightline", "The directory of the databases; it must be on a local disk"),
  commit_interval: durationMs({
    fallback: "250ms",
    min: "1ms",
    max: "10s",
    description: "The longest that a message waits to be committed, and so to be acknowledged",
  }),
  max_size: sizeBytes({
    min: "1MiB",
    max: "16384GiB",
    example: "2GiB",
    description: "How large the journal may grow; default: the smaller of 2 GiB and 20 % of the disk",
  }).optional(),
  keep_settled: durationMs({
    fallback: "72h",
    min: "0s",
    max: "365d",
    description: "How long messages stay for replay after InfluxDB has them",
  }),
  when_full: oneOf(
    ["drop_oldest", "stop_acking"],
    "drop_oldest",
    "drop_oldest drops and counts logs, txacks and statistics, then the oldest; stop_acking leaves new messages to the broker",
  ),
};

export const journalSchema = table(shape).transform((journal): JournalConfig => ({
  dir: journal.dir,
  commitIntervalMs: journal.commit_interval,
  maxSizeBytes: journal.max_size,
  keepSettledMs: journal.keep_settled,
  whenFull: journal.when_full,
}));
