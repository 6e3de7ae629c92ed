/** Arrow's decimals as exact text. Pure. */

/** 12345 with scale 2 is "123.45", with scale -2 "1234500". Trailing zeros stay: they are the column's precision. */
export function decimalText(unscaled: bigint, scale: number): string {
  if (scale === 0 || (unscaled === 0n && scale < 0)) return String(unscaled);
  if (scale < 0) return String(unscaled) + "0".repeat(-scale);
  const sign = unscaled < 0n ? "-" : "";
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, "0");
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** The two's complement integer in `count` little-endian words of 32 bits. */
export function integerOfWords(words: Uint32Array, first: number, count: number): bigint {
  let value = 0n;
  for (let word = first + count - 1; word >= first; word -= 1) {
    value = (value << 32n) | BigInt(words[word] ?? 0);
  }
  return BigInt.asIntN(32 * count, value);
}
