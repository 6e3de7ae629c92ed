import { Fault } from "../lib/fault.ts";

/** Columns that found no room in a table. */
interface LeftOutColumns {
  /** Of the device; "" where there is none. */
  readonly profileName: string;
  readonly table: string;
  /** The first few, in the order of the payload. */
  readonly names: readonly string[];
  readonly count: number;
}

const namedCount = 10;
/** A name comes from a payload: it may have any length. */
const maxNameChars = 64;
/** Device profiles times tables of a large installation; after that many nothing more is said. */
const maxSaid = 1000;

/**
 * Says which columns found no room, once for each device profile and table while the process lives: the
 * rows carry the number themselves (`fields_left_out`), and a codec does the same with every uplink.
 */
export class LeftOutReport {
  readonly #say: (fault: Fault) => void;
  readonly #said = new Set<string>();

  constructor(say: (fault: Fault) => void) {
    this.#say = say;
  }

  add(leftOut: LeftOutColumns): void {
    const { profileName, table, names } = leftOut;
    const key = `${table}\0${profileName}`;
    if (names.length === 0 || this.#said.has(key) || this.#said.size >= maxSaid) return;
    this.#said.add(key);
    this.#say(leftOutFault(leftOut));
  }
}

function leftOutFault({ profileName, table, names, count }: LeftOutColumns): Fault {
  const first = names.slice(0, namedCount).map((name) => JSON.stringify(short(name)));
  const more = count - first.length;
  const whose = profileName === "" ? "" : ` from devices of profile ${JSON.stringify(short(profileName))}`;
  return new Fault({
    code: "fields_left_out",
    layer: "device",
    disposition: "drop",
    message: `the table ${JSON.stringify(table)} has no room for ${first.join(", ")}${more > 0 ? ` and ${more} more` : ""}${whose}: they are not written`,
    hint: "name what nobody needs in drop under [[profile]], or give the profile a table of its own there",
  });
}

function short(name: string): string {
  return name.length <= maxNameChars ? name : `${name.slice(0, maxNameChars)}…`;
}
