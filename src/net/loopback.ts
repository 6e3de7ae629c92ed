import { isIP } from "node:net";

/**
 * Whether a name or an address is one of this machine's own. Brackets around IPv6 are a URL's, which also writes the
 * IPv4 address within one in hexadecimal. Pure.
 */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, "");
  if (isIP(bare) === 0) return /^(?:.*\.)?localhost$/i.test(bare);
  return /^(?:127\.|::1$|::ffff:(?:127\.|7f[0-9a-f]{2}:))/i.test(bare);
}
