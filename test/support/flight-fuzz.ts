/** Mutations of Arrow streams: deterministic, and each says what it did. */
import type { IpcMessage } from "../../src/influx/arrow/decoder.ts";
import { Random } from "../../src/sandbox/devices/random.ts";
import { ArrowJudge } from "./arrow-judge.ts";
import { fuzzStreams, type FuzzStream } from "./flight-fuzz-corpus.ts";

export interface Mutated {
  readonly stream: FuzzStream;
  readonly messages: readonly IpcMessage[];
  readonly kinds: readonly string[];
  /** What was done, in words. */
  readonly steps: readonly string[];
}

interface Place {
  readonly at: number;
  readonly bytes: number;
}

interface Work {
  readonly random: Random;
  readonly messages: IpcMessage[];
}

/** Does something and says what, or nothing because there is nothing to do it to. */
type Mutation = (work: Work) => string | undefined;
type Part = "header" | "body";

const words = [
  0, 1, -1, 2, 3, 4, 7, 8, 9, 16, 24, 63, 64, 65, 127, 128, 255, 256, 32_767, 65_535, 0x7fff_ffff,
  -0x8000_0000, 0x7fff_fff8, 0x1000_0000,
];

export function pick<T>(random: Random, from: readonly T[]): T {
  return from[random.integer(0, from.length - 1)] as T;
}

/** The places of a header that decide something, as the judge meets them. */
const placesOf = new WeakMap<Uint8Array, readonly Place[]>();
for (const { messages } of fuzzStreams) {
  let places = new Map<number, Place>();
  const judge = new ArrowJudge("ns", (at, bytes) => places.set(at, { at, bytes }));
  for (const message of messages) {
    places = new Map();
    judge.read(message);
    placesOf.set(message.header, [...places.values()]);
  }
}

type Change = (view: DataView, places: readonly Place[]) => string | undefined;

function change({ random, messages }: Work, part: Part, how: Change): string | undefined {
  const index = random.integer(0, messages.length - 1);
  const message = messages[index];
  if (message === undefined || message[part].length < 8) return undefined;
  // Anywhere in memory, as protobuf has it.
  const copy = new Uint8Array(
    new ArrayBuffer(message[part].length + 8),
    random.integer(0, 8),
    message[part].length,
  );
  copy.set(message[part]);
  const places = (placesOf.get(message.header) ?? []).filter(({ at, bytes }) => at + bytes <= copy.length);
  if (part === "header") placesOf.set(copy, places);
  const what = how(new DataView(copy.buffer, copy.byteOffset, copy.byteLength), places);
  messages[index] = { ...message, [part]: copy };
  return what && `${what} in ${part} ${index}`;
}

function bitFlip(part: Part): Mutation {
  return (work) =>
    change(work, part, (view) => {
      const at = work.random.integer(0, view.byteLength - 1);
      const bit = work.random.integer(0, 7);
      view.setUint8(at, view.getUint8(at) ^ (1 << bit));
      return `bit ${bit} of byte ${at} turned`;
    });
}

function byteSet(part: Part): Mutation {
  return (work) =>
    change(work, part, (view) => {
      const at = work.random.integer(0, view.byteLength - 1);
      const value = work.random.integer(0, 255);
      view.setUint8(at, value);
      return `byte ${at} = ${value}`;
    });
}

/** In a body, offsets, views and dictionary indices lie at such places. */
function wordSet(part: Part): Mutation {
  return (work) =>
    change(work, part, (view) => {
      const at = 4 * work.random.integer(0, Math.floor(view.byteLength / 4) - 1);
      const old = view.getInt32(at, true);
      const value = pick(work.random, [...words, old + 1, old - 1, old + 8, old * 2]);
      view.setInt32(at, value, true);
      return `word ${at} = ${value}`;
    });
}

function read(view: DataView, { at, bytes }: Place): number {
  if (bytes === 8) return Number(view.getBigInt64(at, true));
  if (bytes === 4) return view.getInt32(at, true);
  return bytes === 2 ? view.getInt16(at, true) : view.getUint8(at);
}

function write(view: DataView, { at, bytes }: Place, value: number): void {
  if (bytes === 8) view.setBigInt64(at, BigInt(value), true);
  else if (bytes === 4) view.setInt32(at, value, true);
  else if (bytes === 2) view.setInt16(at, value, true);
  else view.setUint8(at, value);
}

/**
 * Numbers of a header get other values. By their width: 1 and 2 bytes are kinds, flags, parameters and the entries of
 * vtables; 4 bytes are offsets, counts and widths; 8 are lengths, null counts, places in the body and dictionary ids.
 */
function placeSet(...widths: readonly number[]): Mutation {
  return (work) => {
    const { random } = work;
    return change(work, "header", (view, all) => {
      const places = all.filter((place) => widths.includes(place.bytes));
      if (places.length === 0) return undefined;
      const place = pick(random, places);
      const old = read(view, place);
      const other = read(view, pick(random, places));
      const near = [old + 1, old - 1, old + 8, old - 8, old * 2, Math.floor(old / 2), -old, other, other];
      const value = pick(random, random.chance(0.6) ? near : words);
      write(view, place, value);
      return `the ${place.bytes} bytes at ${place.at} = ${value}`;
    });
  };
}

function swapPlaces(work: Work): string | undefined {
  return change(work, "header", (view, places) => {
    const one = pick(work.random, places);
    const other = pick(
      work.random,
      places.filter(({ bytes }) => bytes === one?.bytes),
    );
    if (one === undefined || other === undefined || one === other) return undefined;
    const [first, second] = [read(view, one), read(view, other)];
    write(view, one, second);
    write(view, other, first);
    return `the ${one.bytes} bytes at ${one.at} and ${other.at} exchanged`;
  });
}

function resize(part: Part): Mutation {
  return ({ random, messages }) => {
    const index = random.integer(0, messages.length - 1);
    const message = messages[index];
    if (message === undefined) return undefined;
    const old = message[part];
    const length = random.chance(0.5)
      ? random.integer(0, old.length)
      : old.length + random.integer(1, 16) * (random.chance(0.5) ? 8 : 1);
    const bytes = new Uint8Array(length);
    bytes.set(old.subarray(0, length));
    bytes.set(random.bytes(Math.max(0, length - old.length)), Math.min(length, old.length));
    messages[index] = { ...message, [part]: bytes };
    return `${part} ${index} of ${old.length} bytes made ${length} long`;
  };
}

function swapParts(part: Part): Mutation {
  return ({ random, messages }) => {
    const [one, other] = [random.integer(0, messages.length - 1), random.integer(0, messages.length - 1)];
    const [first, second] = [messages[one], messages[other]];
    if (one === other || first === undefined || second === undefined) return undefined;
    messages[one] = { ...first, [part]: second[part] };
    messages[other] = { ...second, [part]: first[part] };
    return `${part} ${one} and ${other} exchanged`;
  };
}

function drop({ random, messages }: Work): string {
  const index = random.integer(0, messages.length - 1);
  messages.splice(index, 1);
  return `message ${index} dropped`;
}

function duplicate({ random, messages }: Work): string {
  const from = random.integer(0, messages.length - 1);
  const to = random.integer(0, messages.length);
  messages.splice(to, 0, ...messages.slice(from, from + 1));
  return `message ${from} repeated at ${to}`;
}

function reorder({ random, messages }: Work): string {
  const from = random.integer(0, messages.length - 1);
  const to = random.integer(0, messages.length - 1);
  messages.splice(to, 0, ...messages.splice(from, 1));
  return `message ${from} moved to ${to}`;
}

function splice({ random, messages }: Work): string | undefined {
  const donor = pick(random, fuzzStreams);
  const index = random.integer(0, donor.messages.length - 1);
  const to = random.integer(0, messages.length);
  messages.splice(to, random.integer(0, 1), ...donor.messages.slice(index, index + 1));
  return `message ${index} of "${donor.name}" put at ${to}`;
}

const mutations: Readonly<Record<string, Mutation>> = {
  "bit of a header": bitFlip("header"),
  "bit of a body": bitFlip("body"),
  "byte of a header": byteSet("header"),
  "byte of a body": byteSet("body"),
  "word of a header": wordSet("header"),
  "word of a body": wordSet("body"),
  "kind or parameter": placeSet(1, 2),
  "offset or count": placeSet(4),
  "length or place": placeSet(8),
  "numbers exchanged": swapPlaces,
  "header cut or longer": resize("header"),
  "body cut or longer": resize("body"),
  "headers exchanged": swapParts("header"),
  "bodies exchanged": swapParts("body"),
  "message dropped": drop,
  "message repeated": duplicate,
  "message moved": reorder,
  "message of another stream": splice,
};

export const mutationKinds: readonly string[] = Object.keys(mutations);

/** The mutated stream number `run` of a seed, always the same. */
export function mutatedStream(seed: number, run: number): Mutated {
  const random = new Random(seed, run);
  const stream = pick(random, fuzzStreams);
  const messages = [...stream.messages];
  const kinds: string[] = [];
  const steps: string[] = [];
  const wanted = random.chance(0.7) ? 1 : random.integer(2, 4);
  // Some find nothing to do in a stream; and where all messages were dropped there is nothing left to do.
  for (let tries = 0; steps.length < wanted && messages.length > 0 && tries < 100; tries += 1) {
    const kind = pick(random, mutationKinds);
    const step = mutations[kind]?.({ random, messages });
    if (step === undefined) continue;
    kinds.push(kind);
    steps.push(`${kind}: ${step}`);
  }
  return { stream, messages, kinds, steps };
}
