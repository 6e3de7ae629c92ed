import { Fault } from "../lib/fault.ts";

/** What of a message got no column. */
export interface LeftOutColumns {
  /** Of the device; "" where there is none. */
  readonly profileName: string;
  readonly table: string;
  /** The first few, in the order of the payload. */
  readonly names: readonly string[];
  readonly count: number;
  /** The table has all the columns that it takes; else the message itself is too much for a row. */
  readonly isTableFull: boolean;
}

const namedCount = 10;
/** A name comes from a payload: it may have any length. */
const maxNameChars = 64;
/** Device profiles times tables of a large installation; after that many nothing more is said. */
const maxSaid = 1000;

/**
 * Says what got no column, once for each device profile, table and reason while the process lives: the rows
 * carry the number themselves (`fields_left_out`), and a codec does the same with every uplink.
 */
export class LeftOutReport {
  readonly #say: (fault: Fault) => void;
  readonly #said = new Set<string>();

  constructor(say: (fault: Fault) => void) {
    this.#say = say;
  }

  add(leftOut: LeftOutColumns): void {
    const { profileName, table, names, isTableFull } = leftOut;
    const key = `${table}\0${profileName}\0${isTableFull}`;
    if (names.length === 0 || this.#said.has(key) || this.#said.size >= maxSaid) return;
    this.#said.add(key);
    this.#say(leftOutFault(leftOut));
  }
}

const rowHint =
  "a row takes 200 columns, of an array 64 items, of a history 256 with plausible times: name what nobody needs in drop under [[profile]]";
const tableHint =
  "a table keeps its columns for ever, so drop makes no room in this one: give the profile another table under [[profile]]";
const gatewayHint =
  "let the gateways send less metadata: [metadata] in the configuration of their forwarders";

function leftOutFault({ profileName, table, names, count, isTableFull }: LeftOutColumns): Fault {
  const first = names.slice(0, namedCount).map((name) => JSON.stringify(short(name)));
  const more = count - first.length;
  const whose = profileName === "" ? "" : ` from devices of profile ${JSON.stringify(short(profileName))}`;
  return new Fault({
    code: "fields_left_out",
    layer: "device",
    disposition: "drop",
    message: `the table ${JSON.stringify(table)} ${isTableFull ? "is full and has no room for" : "does not take"} ${first.join(", ")}${more > 0 ? ` and ${more} more` : ""}${whose}: they are not written`,
    hint: table === "gateway_stats" ? gatewayHint : isTableFull ? tableHint : rowHint,
  });
}

function short(name: string): string {
  return name.length <= maxNameChars ? name : `${name.slice(0, maxNameChars)}…`;
}
