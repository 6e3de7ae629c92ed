/** When the end of a certificate is near. Pure. */

const dayMs = 86_400_000;
/** Enough for who looks at a log once a week. */
const enoughMs = 14 * dayMs;

/**
 * Who renews by a program has done so by then: certbot, cert-manager and step-ca do with a third of the lifetime left,
 * be it 90 days or, of a mesh, one.
 */
export function endsSoon(
  { validFromMs, validToMs }: { readonly validFromMs: number; readonly validToMs: number },
  nowMs: number,
): boolean {
  return validToMs - nowMs < Math.min(enoughMs, (validToMs - validFromMs) / 3);
}
