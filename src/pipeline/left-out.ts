import { Fault } from "../lib/fault.ts";
import { commonTags, tagsOfSomeTables } from "../telemetry/own-columns.ts";
import type { MovedFrom } from "./fitted-lines.ts";

/**
 * Why something is in no row. "table": the table has all the columns that it takes. "row": the message is too
 * much for its rows. "time": items of a history have no time that can be right.
 */
type LeftOutReason = "table" | "row" | "time";

/** What of a message is in no row. */
export interface LeftOutColumns {
  /** Of the device; "" where there is none. */
  readonly profileName: string;
  readonly table: string;
  /** The first few, in the order of the payload. */
  readonly names: readonly string[];
  readonly count: number;
  readonly reason: LeftOutReason;
}

const namedCount = 10;
/** A name comes from a payload: it may have any length. */
const maxNameChars = 64;
/** Device profiles times tables of a large installation; after that many nothing more is said. */
const maxSaid = 1000;

/**
 * Says what is in no row, once for each device profile, table and reason while the process lives: the rows
 * carry the number themselves (`fields_left_out`), and a codec does the same with every uplink. And says what
 * is in another column than its name promises, once for each table and column.
 */
export class LeftOutReport {
  readonly #say: (fault: Fault) => void;
  readonly #said = new Set<string>();

  constructor(say: (fault: Fault) => void) {
    this.#say = say;
  }

  add(leftOut: LeftOutColumns): void {
    const { profileName, table, names, reason } = leftOut;
    const key = `${table}\0${profileName}\0${reason}`;
    if (names.length === 0 || this.#said.has(key) || this.#said.size >= maxSaid) return;
    this.#said.add(key);
    this.#say(leftOutFault(leftOut));
  }

  addMoved(moved: MovedFrom): void {
    const key = `${moved.table}\0\0moved\0${moved.name}`;
    if (this.#said.has(key) || this.#said.size >= maxSaid) return;
    this.#said.add(key);
    this.#say(movedFault(moved));
  }
}

const verbs: Readonly<Record<LeftOutReason, string>> = {
  table: "is full and has no room for",
  row: "does not take",
  time: "takes no items without a usable time, as",
};

const hints: Readonly<Record<LeftOutReason, string>> = {
  table:
    "a table keeps its columns as long as it exists, so drop makes no room in this one: give the profile another table under [[profile]]",
  row: "a row takes 200 columns, 32 levels, of an array 64 items and no number beyond a double (1e400), a message 256 rows of histories: name what nobody needs in drop under [[profile]]",
  time: "times from 2015 to a day after the message are usable: set the device's clock, or name the member that holds the time in explode under [[profile]]",
};
const gatewayHint =
  "let the gateways send less metadata: [metadata] in the configuration of their forwarders";

function leftOutFault({ profileName, table, names, count, reason }: LeftOutColumns): Fault {
  const first = names.slice(0, namedCount).map((name) => JSON.stringify(short(name)));
  const more = count - first.length;
  const whose = profileName === "" ? "" : ` from devices of profile ${JSON.stringify(short(profileName))}`;
  return new Fault({
    code: "fields_left_out",
    layer: "device",
    disposition: "drop",
    message: `the table ${JSON.stringify(table)} ${verbs[reason]} ${first.join(", ")}${more > 0 ? ` and ${more} more` : ""}${whose}: they are not written`,
    hint: table === "gateway_stats" ? gatewayHint : hints[reason],
  });
}

const ourTags: ReadonlySet<string> = new Set([...commonTags, ...tagsOfSomeTables]);
const movedHints = {
  ours: "queries that ask for it by name find nothing here: let flightline write into a database of its own ([influxdb] database), or give the profile whose table it is another one under [[profile]]",
  configured:
    "queries have to ask for the other column, and a payload key of that name gets a _: give the tag another name under [tags] or in [telemetry] device_tags, or the profile another table under [[profile]]",
} as const;

function movedFault({ table, name, isTag, takenBy, column }: MovedFrom): Fault {
  const what = isTag ? "the tag" : "our column";
  const type = takenBy === undefined ? "" : ` of type ${takenBy}`;
  return new Fault({
    code: "column_taken",
    layer: "write",
    disposition: "drop",
    message: `the table ${JSON.stringify(table)} has another column ${JSON.stringify(short(name))}${type}: ${what} of that name is written to ${JSON.stringify(short(column))}`,
    hint: isTag && !ourTags.has(name) ? movedHints.configured : movedHints.ours,
  });
}

function short(name: string): string {
  return name.length <= maxNameChars ? name : `${name.slice(0, maxNameChars)}…`;
}
