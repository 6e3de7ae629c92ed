import { oneLine } from "../lib/one-line.ts";
import type { Answer, Asked, HttpAnswer } from "./probe-report.ts";

/** The first bytes that a server gives, read as the protocols that a port of ours may speak. Pure. */

const settingsFrame = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
const preface = Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), settingsFrame]);

/** MQTT 3.1.1, a clean session, no client id: the broker makes one up, and keeps nothing afterwards. */
const connectPacket = Buffer.from([0x10, 12, 0, 4, ...Buffer.from("MQTT"), 4, 2, 0, 10, 0, 0]);
const disconnectPacket = Buffer.from([0xe0, 0]);

/** InfluxDB answers here without a token. */
export const askedPath = "/health";

/** What is sent to hear whether a port speaks a protocol. Carries nothing secret. */
export function question(asked: Asked, host: string): Buffer {
  if (asked === "http2") return preface;
  if (asked === "mqtt") return connectPacket;
  const lines = [
    `GET ${askedPath} HTTP/1.1`,
    `Host: ${host}`,
    "User-Agent: flightline",
    "Accept: */*",
    "Connection: close",
  ];
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`);
}

/** What is polite to send before the connection is closed. */
export function farewell(heard: Answer["heard"]): Buffer | undefined {
  return heard === "mqtt" ? disconnectPacket : undefined;
}

/** Undefined: too few bytes to tell. */
export function recognise(bytes: Buffer): Answer["heard"] {
  if (bytes.length < 4) return undefined;
  const text = bytes.toString("latin1", 0, 5);
  if ("HTTP/".startsWith(text)) return "http1";
  // An alert or a handshake record of TLS 1.x.
  if ((bytes[0] === 0x15 || bytes[0] === 0x16) && bytes[1] === 3) return "tls";
  if (isConnack(bytes)) return "mqtt";
  if (isHttp2(bytes)) return "http2";
  return "other";
}

/** CONNACK: two bytes in MQTT 3.1.1; a broker of MQTT 5 only may add properties. */
function isConnack(bytes: Buffer): boolean {
  const [type, length, flags] = bytes;
  return type === 0x20 && length !== undefined && length >= 2 && length < 128 && (flags ?? 2) <= 1;
}

/** A server begins with SETTINGS, or says goodbye at once (GOAWAY); both on stream 0. */
function isHttp2(bytes: Buffer): boolean {
  const isFirstFrame = bytes[0] === 0 && bytes[1] === 0 && (bytes[3] === 4 || bytes[3] === 7);
  return isFirstFrame && bytes.subarray(5, 9).every((byte) => byte === 0);
}

/** Whether more bytes could tell more. */
export function isWhole(bytes: Buffer): boolean {
  const heard = recognise(bytes);
  if (heard === undefined) return false;
  if (heard !== "http1") return heard !== "http2" || bytes.length >= settingsFrame.length;
  const { head, body } = parts(bytes);
  return head !== undefined && (!looksLikeHtml(head, body) || /<\/(?:title|head)>/i.test(body));
}

export function httpAnswer(bytes: Buffer, oursMs: number): HttpAnswer | undefined {
  const { head, body } = parts(bytes);
  const status = /^HTTP\/1\.[01] (\d{3})\b/.exec(head ?? "")?.[1];
  if (head === undefined || status === undefined) return undefined;
  const theirMs = Date.parse(header(head, "date") ?? "");
  const title = /<title[^>]*>([^<]*)/i.exec(body)?.[1];
  return {
    status: Number(status),
    server: quotable(header(head, "server"), 80),
    location: quotable(header(head, "location"), 200),
    isHtml: looksLikeHtml(head, body),
    title: quotable(title, 80),
    clock: Number.isNaN(theirMs) ? undefined : { theirMs, oursMs },
  };
}

/** The first line of what is not known: "SSH-2.0-OpenSSH_9.2". Undefined when that is not text. */
export function firstWords(bytes: Buffer): string | undefined {
  const [line] = bytes.toString("latin1", 0, 80).split(/[\r\n]/);
  return line !== undefined && /^[ -~]{3,}$/.test(line) ? line.trim() : undefined;
}

function parts(bytes: Buffer): { readonly head: string | undefined; readonly body: string } {
  const text = bytes.toString("utf8");
  const end = text.indexOf("\r\n\r\n");
  return end === -1 ? { head: undefined, body: "" } : { head: text.slice(0, end), body: text.slice(end + 4) };
}

function header(head: string, name: string): string | undefined {
  return new RegExp(String.raw`\r\n${name}:[ \t]*([^\r\n]*)`, "i").exec(head)?.[1];
}

function looksLikeHtml(head: string, body: string): boolean {
  return (
    /^text\/html\b/i.test(header(head, "content-type") ?? "") || /^\s*<(?:!doctype html|html)\b/i.test(body)
  );
}

/** Of what somebody else says. Undefined: nothing. */
export function quotable(text: string | undefined, maxChars: number): string | undefined {
  const line = oneLine(text ?? "", maxChars);
  return line === "" ? undefined : line;
}
