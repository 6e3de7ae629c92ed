/**
 * Names of keys and columns that hold no measurement but what tells a device, a part or a program from others:
 * a text there stays a text ("1.10" is not 1.1), and what never changes is no use in every row.
 *
 * A name is read by its words: `codecVersion`, `CODEC_VERSION` and `codec-version` are the same. It is its
 * last words that count, so that `hw_temperature` and `serial_port_load` are measurements, and `humid`,
 * `dc_conversion` and `polarity_inversion` have no such word at all. Numbers behind them (`mac_2`) and the
 * underscores of a name that was taken say nothing. Pure.
 */

/**
 * "constant": the same for the life of the device or of its codec. "changing": a program may be updated, a
 * SIM replaced, another tag read.
 */
export type IdentifierKind = "constant" | "changing";

const version = "(?:version|ver|revision|rev)";
const number = "(?:number|num|no|nr|code)";
const device = "(?:device|dev|sensor|node|product)";

/** What they say holds for the device, whatever is updated. */
const constants = [
  `(?:codec|decoder|protocol|payload|ipso|tsl|lorawan)_?${version}`,
  `(?:serial|sn)(?:_?${number})?`,
  `(?:part|product|article|model)_?${number}`,
  `${device}_?(?:id|uid|uuid|eui|sn|type|model)`,
  "(?:(?:app|join)_?eui|generic_?model|imei|manufacturer|vendor|brand|(?:production|manufacturing)_?date)",
];
const changing = [
  `(?:fw|hw|sw|firmware|hardware|software|bootloader)?_?${version}`,
  "fw|hw|firmware|hardware|software",
  "id|uid|uuid|guid|eui|imsi|iccid|msisdn|mac|ssid|bssid|rfid|barcode|qrcode|zip|zipcode|postcode",
  `(?:${version}|id|imei|imsi|iccid|barcode|order|meter|phone|customer|zip|post|postal)_?${number}`,
  "(?:mac|dev|device|node)_?(?:addr|address)",
];
/** Of a value elsewhere: `ac_model` is what an air conditioner does. */
const constantAlone = "model";

const lastWords = (phrases: readonly string[]): RegExp =>
  new RegExp(String.raw`(?<!\p{L})(?:${phrases.join("|")})\P{L}*$`, "u");
const constantEnd = lastWords([...constants, `^_*${constantAlone}`]);
const changingEnd = lastWords(changing);

/** Names are few and asked for with every message, and it takes a microsecond to read one. */
const known = new Map<string, IdentifierKind | undefined>();
/** A codec that invents names has no end of them. */
const maxKnown = 2000;

export function identifierKind(name: string): IdentifierKind | undefined {
  const kind = known.get(name);
  if (kind !== undefined || known.has(name)) return kind;
  if (known.size >= maxKnown) known.clear();
  const read = readName(name);
  known.set(name, read);
  return read;
}

function readName(name: string): IdentifierKind | undefined {
  const words = snakeCase(name);
  if (constantEnd.test(words)) return "constant";
  return changingEnd.test(words) ? "changing" : undefined;
}

const wordStart = /(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g;
const separators = /[^\p{L}\d]+/gu;

/** codecVersion, CODEC-VERSION, HWVersion → codec_version, codec_version, hw_version */
function snakeCase(name: string): string {
  return name.replaceAll(wordStart, "_").replaceAll(separators, "_").toLowerCase();
}
