/**
 * How far the frames of a WAL are valid: https://www.sqlite.org/fileformat2.html §4. Pure.
 *
 * SQLite stops at the first frame whose checksum is wrong. What comes after it may still hold messages that
 * were acknowledged, or what is left of an older round of the WAL; each row's own checksum tells (checksum.ts).
 */
export const walHeaderBytes = 32;
export const frameHeaderBytes = 24;

const magic = 0x377f0682;

interface Sums {
  readonly s0: number;
  readonly s1: number;
}

/** How many frames from the beginning belong to commits; `frameAt` gives a frame with its header. */
export function committedFrames(
  header: Buffer,
  frameCount: number,
  frameAt: (index: number) => Buffer | undefined,
): number {
  if (header.length < walHeaderBytes) return 0;
  const magicNumber = header.readUInt32BE(0);
  // The last bit says in which order the words of the sums are.
  if (magicNumber >>> 1 !== magic >>> 1) return 0;
  const isBigEndian = (magicNumber & 1) === 1;
  let sums = sumUp(header.subarray(0, 24), { s0: 0, s1: 0 }, isBigEndian);
  if (!isSum(header, 24, sums)) return 0;
  const salt = header.subarray(16, 24);
  let committed = 0;
  for (let index = 0; index < frameCount; index += 1) {
    const frame = frameAt(index);
    if (frame === undefined || !frame.subarray(8, 16).equals(salt)) return committed;
    sums = sumUp(frame.subarray(0, 8), sums, isBigEndian);
    sums = sumUp(frame.subarray(frameHeaderBytes), sums, isBigEndian);
    if (!isSum(frame, 16, sums)) return committed;
    if (frame.readUInt32BE(4) !== 0) committed = index + 1;
  }
  return committed;
}

function sumUp(bytes: Buffer, { s0, s1 }: Sums, isBigEndian: boolean): Sums {
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    const first = isBigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
    const second = isBigEndian ? bytes.readUInt32BE(at + 4) : bytes.readUInt32LE(at + 4);
    s0 = (s0 + first + s1) >>> 0;
    s1 = (s1 + second + s0) >>> 0;
  }
  return { s0, s1 };
}

function isSum(bytes: Buffer, at: number, { s0, s1 }: Sums): boolean {
  return bytes.readUInt32BE(at) === s0 && bytes.readUInt32BE(at + 4) === s1;
}
