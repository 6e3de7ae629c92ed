/**
 * Decodes one LZ4 frame (lz4_Frame_format.md 1.6.4 and lz4_Block_format.md of the LZ4 project) whose size is known.
 * Nothing is read or written outside of the two arrays, every checksum that is there is checked, and what is left over
 * or missing is a fault. Of our own because the packages there are either do not bound what they write, or are
 * native code for a codec that InfluxDB does not use.
 */
import { badStream } from "./faults.ts";
import { xxHash32 } from "./xxhash32.ts";

const magic = 0x184d2204;
/** LZ4 cannot do better than 255 bytes out of one, so that a size beyond that is a lie. */
const mostBytesPerByte = 255;

export function decodeLz4Frame(frame: Uint8Array, size: number): Uint8Array {
  if (size > frame.length * mostBytesPerByte) throw damaged("it is too short for its size");
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const header = readFrameHeader(frame, view, size);
  const output = new Uint8Array(size);
  let at = header.bytes;
  let written = 0;
  for (;;) {
    const blockSize = word(view, at);
    at += 4;
    if (blockSize === 0) break;
    const bytes = blockSize & 0x7fff_ffff;
    if (bytes > header.maxBlockBytes || at + bytes > frame.length)
      throw damaged("it has a block that is too long");
    const block = frame.subarray(at, at + bytes);
    at += bytes;
    if (header.blockChecksums) at = checked(view, at, block);
    written = bytes === blockSize ? decodeBlock(block, output, written) : copyBlock(block, output, written);
  }
  if (written !== size) throw damaged("it is shorter than it says");
  if (header.contentChecksum) at = checked(view, at, output);
  if (at !== frame.length) throw damaged("something follows its end");
  return output;
}

interface FrameHeader {
  readonly bytes: number;
  readonly maxBlockBytes: number;
  readonly blockChecksums: boolean;
  readonly contentChecksum: boolean;
}

function readFrameHeader(frame: Uint8Array, view: DataView, size: number): FrameHeader {
  if (word(view, 0) !== magic) throw damaged("it does not begin as one");
  const [flags = 0, descriptor = 0] = [frame[4], frame[5]];
  // Version 01, no dictionary, no reserved bits; block sizes 4 to 7.
  if ((flags & 0xc3) !== 0x40 || (descriptor & 0x8f) !== 0 || descriptor < 0x40)
    throw damaged("its header is of no known form");
  const hasSize = (flags & 0x08) !== 0;
  const checksumAt = hasSize ? 14 : 6;
  if (frame.length <= checksumAt) throw damaged("it ends within its header");
  if (hasSize && view.getBigUint64(6, true) !== BigInt(size))
    throw damaged("it is of another size than the buffer says");
  if (((xxHash32(frame.subarray(4, checksumAt)) >> 8) & 0xff) !== frame[checksumAt])
    throw damaged("its header's checksum is wrong");
  return {
    bytes: checksumAt + 1,
    maxBlockBytes: 1 << (8 + 2 * (descriptor >> 4)),
    blockChecksums: (flags & 0x10) !== 0,
    contentChecksum: (flags & 0x04) !== 0,
  };
}

function word(view: DataView, at: number): number {
  if (at + 4 > view.byteLength) throw damaged("it ends too early");
  return view.getUint32(at, true);
}

function checked(view: DataView, at: number, bytes: Uint8Array): number {
  if (word(view, at) !== xxHash32(bytes)) throw damaged("a checksum is wrong");
  return at + 4;
}

function copyBlock(block: Uint8Array, output: Uint8Array, at: number): number {
  if (at + block.length > output.length) throw damaged("it is longer than it says");
  output.set(block, at);
  return at + block.length;
}

/** Sequences of literals and a match, which may reach back into earlier blocks; the last one has only literals. */
function decodeBlock(block: Uint8Array, output: Uint8Array, start: number): number {
  let at = 0;
  let to = start;
  for (;;) {
    const token = block[at++] ?? 0;
    let literals = token >> 4;
    if (literals === 15) {
      let more: number;
      do literals += more = block[at++] ?? 0;
      while (more === 255);
    }
    if (at + literals > block.length) throw damaged("it has a block that ends too early");
    if (to + literals > output.length) throw damaged("it is longer than it says");
    if (literals < 32) for (let end = at + literals; at < end;) output[to++] = block[at++] ?? 0;
    else {
      output.set(block.subarray(at, at + literals), to);
      at += literals;
      to += literals;
    }
    if (at === block.length) return to;
    const distance = (block[at] ?? 0) | ((block[at + 1] ?? 0) << 8);
    at += 2;
    let length = (token & 15) + 4;
    if (length === 19) {
      let more: number;
      do length += more = block[at++] ?? 0;
      while (more === 255);
    }
    if (at >= block.length) throw damaged("it has a block that ends too early");
    if (distance === 0 || distance > to) throw damaged("it refers to what is not there");
    if (to + length > output.length) throw damaged("it is longer than it says");
    if (length <= distance && length >= 32) {
      output.copyWithin(to, to - distance, to - distance + length);
      to += length;
    } else for (const end = to + length; to < end; to += 1) output[to] = output[to - distance] ?? 0;
  }
}

function damaged(how: string): Error {
  return badStream(`an LZ4 buffer is damaged: ${how}`);
}
