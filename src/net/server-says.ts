/**
 * What InfluxDB says in words, where nothing else of its answer tells it. Elsewhere text decides nothing
 * (diagnose.ts has the words of TLS). It is allowed here because each row below is a part of the server's
 * interface rather than prose, and because a server that words it otherwise costs time and no data:
 *
 * | what is read | why words | without it |
 * |---|---|---|
 * | 422, "Update to schema would exceed number of …" (columns, tag columns, tables) | both limits are 422 `{"error"}` with no other mark; the server itself chooses the 422 by these two prefixes (`limit_hit` in influxdb3_server/src/http.rs, 3.0 to 3.10; the texts are those of `CatalogError`) | the lines are not judged for certain: they die on evidence only |
 * | 422, "Adding a new database would exceed limit of …" | the same | the same: nothing passes, so there is no evidence, and nothing dies |
 * | 400, "error parsing line N (1-based): …", one a line, of up to 100 lines | Clustered, Dedicated and Serverless give the first number as `line` and the others only so (their documentation, "Troubleshoot writes", shows the format) | one line is found by each request |
 *
 * Pure; linear in the length of the text.
 */

type ServerLimit = "schema" | "databases";

const limits: readonly (readonly [prefix: string, limit: ServerLimit])[] = [
  ["Update to schema would exceed number of", "schema"],
  ["Adding a new database would exceed limit of", "databases"],
];

/** Of the reason that a 422 gives, for a line or for all of them. */
export function limitIn(reason: string): ServerLimit | undefined {
  return limits.find(([prefix]) => reason.startsWith(prefix))?.[1];
}

interface ListedLine {
  readonly number: number;
  readonly reason: string;
}

/**
 * The refused lines that a message lists. Empty unless the first is `firstNumber`, which the answer names outside
 * of its words, and each is greater than the one before.
 */
export function listedLines(message: string, firstNumber: number): readonly ListedLine[] {
  const listed: ListedLine[] = [];
  // Not ^ with the flag m: that is also behind U+2028, which a quoted value may hold.
  for (const match of message.matchAll(/(?:\n|^)[ \t]*error parsing line (\d{1,9}) \(1-based\): ([^\n]*)/g)) {
    listed.push({ number: Number(match[1]), reason: match[2] ?? "" });
  }
  const isInOrder = listed.every(({ number }, index) => number > (listed[index - 1]?.number ?? 0));
  return listed[0]?.number === firstNumber && isInOrder ? listed : [];
}
