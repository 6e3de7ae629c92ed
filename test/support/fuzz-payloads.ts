/**
 * Hostile messages from honest ones: what a broken codec, a broken sender or a person with an MQTT client
 * can put on ChirpStack's topics. Deterministic: the same seed gives the same messages.
 */
import { Fleet } from "../../src/sandbox/devices/fleet.ts";
import { Random } from "../../src/sandbox/devices/random.ts";
import { templates } from "./fuzz-corpus.ts";
import type { Message } from "./publisher.ts";

/** 300 KiB is more than the decoder takes; a little below its 256 KiB is what it has to work through. */
const hugeBytes = [300 * 1024, 255 * 1024];

const keys = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "",
  "time",
  "dev_eui",
  "gateway_id",
  "_measurement",
  "a,b=c d",
  'quote"d',
  "back\\slash\\",
  "line\nbreak",
  "\u0000\u001b[31m",
  "k".repeat(2000),
  "schlüssel 🛰",
  "deviceInfo",
  "object",
  "rxInfo",
  "fCnt",
  "deduplicationId",
].map((key) => JSON.stringify(key));

/** JSON as text: much of it could not be written by JSON.stringify. */
const values = [
  "null",
  "true",
  "-0",
  "1e400",
  "-1e400",
  "1e-400",
  "9007199254740993",
  "123456789012345678901234567890",
  "0.1",
  '"1e400"',
  '"NaN"',
  '""',
  '" "',
  String.raw`"\ud800"`,
  String.raw`"\udc00\ud800"`,
  String.raw`"\u0000"`,
  String.raw`"a\\"`,
  String.raw`"x\ny=1i 5"`,
  '"2026-13-45T99:99:99Z"',
  '"9999-12-31T23:59:59.999999999+00:00"',
  "[]",
  "{}",
  "[[[[]]]]",
  "[1,null,true,{}]",
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  '{"a":{"b":{"c":[1,2,{"d":"e"}]}}}',
];

interface Sample {
  readonly topic: string;
  readonly payload: Buffer;
}

/** Where a message is put that belongs elsewhere. */
const otherTopics = [
  "application/1/device/2/event/join",
  "application/1/device/2/event/status",
  "application/1/device/2/event/up",
  "application/1/device/2/event/txack",
  "application/1/device/2/rx",
  "application/1/device/2/command/down",
  "eu868/gateway/0016c001f153a14c/event/stats",
  "eu868/gateway/0016c001f153a14c/event/mesh",
  "eu868/gateway/0016c001f153a14c/event/nonsense",
  "eu868/gateway/0016c001f153a14c/state/conn",
  "ug65/uplink",
  "nonsense",
  "nonsense/__proto__/constructor",
  "application/1/device/2/event/nonsense",
];

/** Without end. */
export function* fuzzMessages(seed: number): Generator<Message, never> {
  const random = new Random(seed, 7);
  const ofFleet = fleetMessages(seed);
  const ofEveryDialect = templates();
  for (let n = 0; ; n += 1) {
    const samples = random.chance(0.5) ? ofFleet : ofEveryDialect;
    const sample = pick(random, samples);
    const payload = n % 2000 === 1999 ? huge(random, n) : hostile(random, sample.payload, samples);
    yield { topic: random.chance(0.75) ? sample.topic : pick(random, otherTopics), payload };
  }
}

/** Of v4, mostly uplinks, in JSON and protobuf. */
function fleetMessages(seed: number): Sample[] {
  const startMs = Date.UTC(2026, 0, 1);
  const fleet = new Fleet({ seed, deviceCount: 20, intervalMs: 60_000, startMs, gatewayCount: 3 });
  const samples: Sample[] = [];
  while (samples.length < 300) {
    samples.push(...fleet.step().map(({ topic, payload }) => ({ topic, payload: Buffer.from(payload) })));
  }
  return samples;
}

function hostile(random: Random, honest: Buffer, samples: readonly Sample[]): Buffer {
  const isJson = honest[0] === 0x7b;
  const kind = random.integer(0, 99);
  if (isJson && kind < 60) {
    let text = honest.toString();
    for (let times = random.integer(1, 4); times > 0; times -= 1) text = mutateJson(random, text);
    return Buffer.from(text);
  }
  if (kind < 75) return flipBits(random, honest);
  if (kind < 85) return honest.subarray(0, random.integer(0, honest.length));
  if (kind < 92) return random.chance(0.5) ? noise(random) : overwrite(random, honest);
  if (kind < 97) return splice(random, honest, pick(random, samples).payload);
  return honest;
}

function mutateJson(random: Random, text: string): string {
  const kind = random.integer(0, 199);
  if (kind === 0) return replaceAValue(random, text, "[".repeat(10_000) + "]".repeat(10_000));
  if (kind === 1) return replaceAValue(random, text, '{"a":'.repeat(10_000) + "1" + "}".repeat(10_000));
  if (kind < 90) return insertMember(random, text, `${pick(random, keys)}:${pick(random, values)}`);
  if (kind < 190) return replaceAValue(random, text, pick(random, values));
  return replaceAValue(random, text, JSON.stringify("x".repeat(random.integer(1000, 20_000))));
}

/** At the start of some object: the honest member of the same name, if any, comes later and wins. */
function insertMember(random: Random, text: string, member: string): string {
  const at = positions(text, /\{(?=")/g, random);
  return at === undefined ? text : `${text.slice(0, at + 1)}${member},${text.slice(at + 1)}`;
}

/** Some member's value, scalar or container; where it is a container, only its beginning: no JSON any more. */
function replaceAValue(random: Random, text: string, value: string): string {
  const pattern = /(?<=":)(?:"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|\{\}|\[\])/g;
  const found = [...text.matchAll(pattern)];
  const chosen = found[random.integer(0, Math.max(0, found.length - 1))];
  if (chosen === undefined) return text;
  return text.slice(0, chosen.index) + value + text.slice(chosen.index + chosen[0].length);
}

function positions(text: string, pattern: RegExp, random: Random): number | undefined {
  const found = [...text.matchAll(pattern)];
  return found[random.integer(0, Math.max(0, found.length - 1))]?.index;
}

function flipBits(random: Random, honest: Buffer): Buffer {
  const bytes = Buffer.from(honest);
  for (let times = random.integer(1, 12); times > 0 && bytes.length > 0; times -= 1) {
    const at = random.integer(0, bytes.length - 1);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.integer(0, 7));
  }
  return bytes;
}

function overwrite(random: Random, honest: Buffer): Buffer {
  const bytes = Buffer.from(honest);
  const patch = random.bytes(random.integer(1, 16));
  bytes.set(patch.slice(0, bytes.length), random.integer(0, Math.max(0, bytes.length - patch.length)));
  return bytes;
}

function noise(random: Random): Buffer {
  return Buffer.from(random.bytes(random.integer(0, 300)));
}

function splice(random: Random, a: Buffer, b: Buffer): Buffer {
  return Buffer.concat([a.subarray(0, random.integer(0, a.length)), b.subarray(random.integer(0, b.length))]);
}

/** Whole uplinks whose object is one huge thing: a string, many keys, a wide array, a deep tree. */
function huge(random: Random, n: number): Buffer {
  const bytes = hugeBytes[random.integer(0, 1)] ?? 0;
  const room = bytes - 400;
  const objects = [
    () => `{"text":"${"x".repeat(room)}"}`,
    () => `{${Array.from({ length: Math.floor(room / 12) }, (_, key) => `"k${key}":${key % 10}`).join(",")}}`,
    () => `{"list":[${"1,".repeat(Math.floor(room / 2) - 10)}1]}`,
    () => `{"deep":${'{"a":'.repeat(Math.floor(room / 6) - 4)}1${"}".repeat(Math.floor(room / 6) - 4)}}`,
    () => `{"quotes":"${'\\"'.repeat(Math.floor(room / 2) - 10)}"}`,
  ];
  const head = `"deduplicationId":"huge-${n}","deviceInfo":{"devEui":"24e124000000beef","deviceProfileName":"Huge"}`;
  return Buffer.from(`{${head},"fCnt":${n},"object":${pick(random, objects)()}}`);
}

function pick<T>(random: Random, from: readonly T[]): T {
  const picked = from[random.integer(0, from.length - 1)];
  if (picked === undefined) throw new Error("there is nothing to pick from");
  return picked;
}
