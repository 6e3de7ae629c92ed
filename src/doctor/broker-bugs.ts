/**
 * Versions of brokers with bugs that touch at-least-once delivery to a client with a kept session. Pure.
 *
 * Only what the broker's maintainers have confirmed and fixed, and whose first and last version is known. The others
 * are not here: NanoMQ and HiveMQ do not say their version on $SYS, and aedes neither.
 */

export type Version = readonly [major: number, minor: number, patch: number];

interface KnownBug {
  readonly product: Product;
  /** The first version that has it. */
  readonly since: Version;
  /** The first version without it. */
  readonly fixed: Version;
  /** What must stand in the broker's configuration for it to matter: nobody tells us whether it does. */
  readonly onlyWith?: string;
  readonly what: string;
}

export type Product = "mosquitto" | "EMQX";

const knownBugs: readonly KnownBug[] = [
  {
    // eclipse-mosquitto/mosquitto#2306 and #2301, ChangeLog of 2.0.13; measured on 2.0.11: 19,000 for 1,000 agreed.
    product: "mosquitto",
    since: [1, 6, 0],
    fixed: [2, 0, 13],
    what: "it sends far more messages at a time than agreed (receive maximum), which costs the daemon memory",
  },
  {
    // eclipse-mosquitto/mosquitto#2609, ChangeLog of 2.0.15.
    product: "mosquitto",
    since: [1, 6, 0],
    fixed: [2, 0, 15],
    what: "messages that expire in a queue can hold up those behind them",
  },
  {
    // eclipse-mosquitto/mosquitto#2618 and #2526, ChangeLog of 2.0.23.
    product: "mosquitto",
    since: [2, 0, 12],
    fixed: [2, 0, 23],
    onlyWith: "per_listener_settings true",
    what: "it keeps no messages for a client that is away",
  },
  {
    // eclipse-mosquitto/mosquitto#2876 and #2879, ChangeLog of 2.0.17.
    product: "mosquitto",
    since: [2, 0, 16],
    fixed: [2, 0, 17],
    onlyWith: "max_queued_messages 0",
    what: "it drops all messages, and ignores max_inflight_messages",
  },
  {
    // eclipse-mosquitto/mosquitto#3088 and #3244, ChangeLog of 2.0.22.
    product: "mosquitto",
    since: [2, 0, 17],
    fixed: [2, 0, 22],
    onlyWith: "max_queued_messages 0",
    what: "it disconnects who publishes much at once",
  },
  {
    // emqx/emqx#13276, changes/v5.7.1.en.md.
    product: "EMQX",
    since: [5, 7, 0],
    fixed: [5, 7, 1],
    what: "with durable sessions, messages can be lost when it restarts",
  },
];

export function bugsOf(product: Product, version: Version): readonly KnownBug[] {
  return knownBugs.filter(
    (bug) => bug.product === product && compare(version, bug.since) >= 0 && compare(version, bug.fixed) < 0,
  );
}

/** The first version that has none of them. */
export function firstWithout(bugs: readonly KnownBug[]): Version | undefined {
  return bugs
    .map(({ fixed }) => fixed)
    .toSorted(compare)
    .at(-1);
}

function compare(one: Version, other: Version): number {
  return one[0] - other[0] || one[1] - other[1] || one[2] - other[2];
}
