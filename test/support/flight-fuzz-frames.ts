/** Responses of a Flight server as bytes, damaged in protobuf, in the framing of gRPC, or in how the response ends. */
import { create, toBinary } from "@bufbuild/protobuf";
import { FlightDataSchema } from "../../src/proto/flight/flight_pb.js";
import { Random } from "../../src/sandbox/devices/random.ts";
import { fuzzStreams } from "./flight-fuzz-corpus.ts";
import { mutatedStream, pick } from "./flight-fuzz.ts";
import type { Reply } from "./flight-server.ts";

interface Piece {
  /** Where its frame begins, and where its message does. */
  readonly frameAt: number;
  readonly endAt: number;
}

export interface Response {
  readonly what: string;
  /** All that is sent, in these pieces. */
  readonly chunks: readonly Uint8Array[];
  readonly ending: (typeof endings)[number];
}

const endings = ["ok", "ok", "ok", "ok", "cut off", "reset", "failed"] as const;

type Damage = (bytes: Buffer, pieces: readonly Piece[], random: Random) => Buffer;

function at(bytes: Buffer, random: Random): number {
  return random.integer(0, Math.max(0, bytes.length - 1));
}

const damages: Readonly<Record<string, Damage>> = {
  nothing: (bytes) => bytes,
  "a bit turned": (bytes, _, random) => {
    const place = at(bytes, random);
    bytes[place] = (bytes[place] ?? 0) ^ (1 << random.integer(0, 7));
    return bytes;
  },
  "a byte of the first ones of a message": (bytes, pieces, random) => {
    const { frameAt, endAt } = pick(random, pieces);
    bytes[Math.min(frameAt + random.integer(5, 12), endAt - 1)] = random.integer(0, 255);
    return bytes;
  },
  "a byte removed": (bytes, _, random) => {
    const place = at(bytes, random);
    return Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + 1)]);
  },
  "bytes put in": (bytes, _, random) => {
    const place = at(bytes, random);
    return Buffer.concat([
      bytes.subarray(0, place),
      random.bytes(random.integer(1, 9)),
      bytes.subarray(place),
    ]);
  },
  "a frame of another length": (bytes, pieces, random) => {
    const { frameAt } = pick(random, pieces);
    const old = bytes.readUInt32BE(frameAt + 1);
    bytes.writeUInt32BE(
      pick(random, [0, 1, old - 1, old + 1, 2 * old, 0x7fff_ffff, 0xffff_ffff]),
      frameAt + 1,
    );
    return bytes;
  },
  "a frame that says it is compressed": (bytes, pieces, random) => {
    bytes[pick(random, pieces).frameAt] = random.integer(1, 255);
    return bytes;
  },
  "cut anywhere": (bytes, _, random) => bytes.subarray(0, at(bytes, random)),
  "cut in the last frame": (bytes, pieces, random) => {
    const { frameAt, endAt } = pieces.at(-1) ?? { frameAt: 0, endAt: 0 };
    return bytes.subarray(0, random.integer(frameAt + 1, endAt - 1));
  },
  "something behind the end": (bytes, _, random) =>
    Buffer.concat([bytes, random.bytes(random.integer(1, 20))]),
  "a frame twice": (bytes, pieces, random) => {
    const { frameAt, endAt } = pick(random, pieces);
    return Buffer.concat([bytes.subarray(0, endAt), bytes.subarray(frameAt, endAt), bytes.subarray(endAt)]);
  },
  "a frame without a message": (bytes, pieces, random) => {
    const { endAt } = pick(random, pieces);
    return Buffer.concat([bytes.subarray(0, endAt), Buffer.alloc(5), bytes.subarray(endAt)]);
  },
};

/** The response number `run` of a seed, always the same. */
export function damagedResponse(seed: number, run: number): Response {
  const random = new Random(seed ^ 0x5eed, run);
  const isMutated = random.chance(0.2);
  const mutated = isMutated ? mutatedStream(seed, run) : undefined;
  const { name, messages } = mutated?.messages.length
    ? { name: mutated.stream.name, messages: mutated.messages }
    : pick(random, fuzzStreams);
  const frames = messages.map(({ header, body }) => frameOf(header, body));
  let end = 0;
  const pieces = frames.map((frame) => ({ frameAt: end, endAt: (end += frame.length) }));
  const what = pick(random, Object.keys(damages));
  const bytes = damages[what]?.(Buffer.concat(frames), pieces, random) ?? Buffer.alloc(0);
  return {
    what: `${name}: ${what}${isMutated ? ", mutated" : ""}`,
    chunks: inPieces(bytes, random),
    ending: pick(random, endings),
  };
}

function frameOf(header: Uint8Array, body: Uint8Array): Buffer {
  const message = toBinary(
    FlightDataSchema,
    create(FlightDataSchema, { dataHeader: header, dataBody: body }),
  );
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

function inPieces(bytes: Buffer, random: Random): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = random.chance(0.5) ? bytes.length : start + random.integer(1, 200);
    pieces.push(bytes.subarray(start, end));
    start = end;
  }
  return pieces;
}

export async function sendResponse(reply: Reply, { chunks, ending }: Response): Promise<void> {
  for (const chunk of chunks) await reply.sendBytes(chunk);
  if (ending === "ok") reply.end();
  else if (ending === "cut off") reply.cutOff();
  else if (ending === "reset") reply.reset(2);
  else reply.fail(3, "no");
}
