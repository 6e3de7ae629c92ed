/**
 * `json_v3`, the default dialect of ChirpStack v3, rewritten into its `json`, which protobuf's schema
 * reads. It differs in the ids, hexadecimal instead of base64, in the place of the data rate, and in
 * `object`, which is an object there and text (`objectJSON`) in `json`. Go writes a slice without bytes as null:
 * `data: null` is a frame without payload, and not unknown. What is `json` already stays as it is; the input is
 * not changed.
 */
import type { JsonObject, JsonValue } from "../event.ts";
import { isJsonObject } from "../lenient-json.ts";

const euiDigits = 16;
const devAddrDigits = 8;
const uuidDigits = 32;

export function fromJsonV3(json: JsonObject): JsonObject {
  const { txInfo, rxInfo } = json;
  const rewritten: JsonObject = { ...json };
  base64Id(rewritten, "devEUI", euiDigits);
  base64Id(rewritten, "devAddr", devAddrDigits);
  base64Id(rewritten, "gatewayID", euiDigits);
  if (json["data"] === null) rewritten["data"] = "";
  if (Array.isArray(rxInfo)) rewritten["rxInfo"] = rxInfo.map(fromReceptionV3);
  if (isJsonObject(txInfo) && txInfo["dr"] !== undefined) rewritten["dr"] = json["dr"] ?? txInfo["dr"];
  return rewritten;
}

function fromReceptionV3(reception: JsonValue): JsonValue {
  if (!isJsonObject(reception)) return reception;
  const rewritten: JsonObject = { ...reception };
  base64Id(rewritten, "gatewayID", euiDigits);
  base64Id(rewritten, "uplinkID", uuidDigits);
  return rewritten;
}

/** Other text is base64 already, or no id. It is never both: base64 of these sizes ends with "=". */
function base64Id(json: JsonObject, key: string, digits: number): void {
  const id = json[key];
  if (typeof id === "string") json[key] = hexToBase64(id, digits) ?? id;
}

const separators = /[-:]/g;
const hexText = /^[0-9a-fA-F]+$/;

/** `undefined` unless the text is so many hex digits, with or without separators. */
export function hexToBase64(text: string, digits: number): string | undefined {
  // With a separator after each digit it would still be shorter than that.
  if (text.length > 2 * digits) return undefined;
  const hex = text.replaceAll(separators, "");
  return hex.length === digits && hexText.test(hex) ? Buffer.from(hex, "hex").toString("base64") : undefined;
}
