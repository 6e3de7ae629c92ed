/** One LZ4 frame, byte by byte (lz4_Frame_format.md and lz4_Block_format.md). Checksums are skipped over. */
import { invalid } from "./arrow-judge-flatbuffer.ts";

/** What it holds, which is `size` bytes, or it is invalid. */
export function judgeLz4(frame: Uint8Array, size: number): Uint8Array {
  let at = 0;
  const take = (): number => frame[at++] ?? invalid("an LZ4 frame that ends too early");
  const word = (): number => take() + take() * 0x100 + take() * 0x1_0000 + take() * 0x100_0000;
  if (word() !== 0x184d2204) invalid("no LZ4 frame");
  const flags = take();
  if (flags >> 6 !== 1 || (flags & 1) !== 0) invalid("an LZ4 frame of another version, or with a dictionary");
  take();
  if ((flags & 8) !== 0 && BigInt(word()) + BigInt(word()) * 2n ** 32n !== BigInt(size))
    invalid("an LZ4 frame of another size");
  take();
  const output: number[] = [];
  for (let length = word(); length !== 0; length = word()) {
    const isStored = length >= 0x8000_0000;
    const end = at + (length % 0x8000_0000);
    if (end > frame.length) invalid("an LZ4 block that ends behind its frame");
    if (isStored) output.push(...frame.subarray(at, end));
    else decodeBlock(frame.subarray(at, end), output, size);
    at = end + ((flags & 16) === 0 ? 0 : 4);
    if (output.length > size) invalid("an LZ4 frame with more than it says");
  }
  return output.length === size ? Uint8Array.from(output) : invalid("an LZ4 frame with less than it says");
}

function decodeBlock(block: Uint8Array, output: number[], size: number): void {
  let at = 0;
  const take = (): number => block[at++] ?? invalid("an LZ4 block that ends too early");
  const lengthFrom = (nibble: number): number => {
    let length = nibble;
    for (let more = nibble === 15 ? 255 : 0; more === 255; length += more) more = take();
    return length;
  };
  while (at < block.length) {
    const token = take();
    for (let left = lengthFrom(token >> 4); left > 0; left -= 1) output.push(take());
    if (at === block.length) return;
    const distance = take() + take() * 256;
    if (distance === 0 || distance > output.length) invalid("an LZ4 match before the beginning");
    for (let left = lengthFrom(token & 15) + 4; left > 0; left -= 1) {
      output.push(output[output.length - distance] ?? 0);
      if (output.length > size) invalid("an LZ4 block with more than it says");
    }
  }
}
