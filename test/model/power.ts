/**
 * What a disk holds when the power goes while a file is written: each block that was not synced is there or is
 * not, and from some point on none is. Which ones, follows from `luck`.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";

const blockBytes = 512;

export interface Image {
  readonly file: string;
  readonly bytes: Buffer;
}

export function imageOf(file: string): Image {
  return { file, bytes: existsSync(file) ? readFileSync(file) : Buffer.alloc(0) };
}

/**
 * Writes to `target` what `after` is when the power goes: of the blocks that differ from `before`, those up to
 * `percent` of them have been written, but for some. Returns how many blocks were lost.
 */
export function loseUnsynced(
  before: Image,
  after: Image,
  target: string,
  { percent, luck }: { readonly percent: number; readonly luck: number },
): number {
  const dirty: number[] = [];
  for (let at = 0; at < after.bytes.length; at += blockBytes) {
    const was = before.bytes.subarray(at, at + blockBytes);
    if (!was.equals(after.bytes.subarray(at, at + blockBytes))) dirty.push(at);
  }
  const reached = Math.round((dirty.length * percent) / 100);
  const image = Buffer.from(after.bytes);
  let lost = 0;
  let end = after.bytes.length;
  for (const [index, at] of dirty.entries()) {
    const isWritten = index < reached && (luck % 2 === 0 || scattered(luck, index) % 16 > 0);
    if (isWritten) continue;
    lost += 1;
    image.subarray(at, at + blockBytes).fill(0);
    before.bytes.subarray(at, at + blockBytes).copy(image, at);
    if (index >= reached) end = Math.min(end, Math.max(before.bytes.length, at));
  }
  writeFileSync(target, image.subarray(0, end));
  return lost;
}

/** The same number for the same two, all over the place otherwise. */
function scattered(luck: number, index: number): number {
  return Math.imul(luck ^ (index + 1), 0x9e3779b1) >>> 16;
}
