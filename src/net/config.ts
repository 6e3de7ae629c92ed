/** The TLS keys, the same wherever a server is named: MQTT, writing, Flight, webhooks. */
import { z } from "zod";
import { complain, defined, filePath, text } from "../lib/schema.ts";

export interface TlsConfig {
  /** PEM: the authorities to believe instead of the system's. */
  readonly caFile?: string;
  /** PEM: our own certificate; always together with `keyFile`. */
  readonly certFile?: string;
  readonly keyFile?: string;
  /** The name to ask for and to verify, where it is not the host of the URL. */
  readonly serverName?: string;
  /** false accepts any certificate. */
  readonly verify: boolean;
}

/** Spread into the table of whoever has a URL. */
export const tlsShape = {
  ca_file: filePath("PEM file with the certificate authorities to trust instead of the system's"),
  cert_file: filePath("PEM file with the client certificate; needs key_file"),
  key_file: filePath("PEM file with the private key of cert_file"),
  server_name: text(
    "a host name",
    /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?$/,
    "The name in the server's certificate, where it is not the host of the URL",
  ).optional(),
  verify: z
    .boolean({ error: "expected true or false" })
    .optional()
    .meta({ default: true, description: "false accepts any server certificate: for a first try only" }),
};

type TlsKeys = z.output<z.ZodObject<typeof tlsShape>>;

const tlsKeyNames = ["ca_file", "cert_file", "key_file", "server_name", "verify"] as const;

/**
 * Complains about keys that do not go together. `secure` and `plain` are the schemes of the URLs beside
 * them. Runs on tables that may be wrong already.
 */
export function checkTls(
  keys: Readonly<Record<string, unknown>>,
  schemes: { readonly secure: string; readonly plain: string },
  context: z.RefinementCtx,
): void {
  const { cert_file: certFile, key_file: keyFile } = keys;
  const urls = [keys["url"], keys["flight_url"]].filter((url) => typeof url === "string");
  if (urls.length > 0 && urls.every((url) => url.toLowerCase().startsWith(`${schemes.plain}://`))) {
    for (const name of tlsKeyNames) {
      if (keys[name] === undefined) continue;
      complain(context, {
        path: [name],
        message: `has no effect: ${schemes.plain}:// is plaintext`,
        hint: `write ${schemes.secure}:// in url to use TLS, or remove ${name}`,
      });
    }
    return;
  }
  if (certFile !== undefined && keyFile === undefined) {
    complain(context, {
      path: ["cert_file"],
      message: "needs key_file, the private key of this certificate",
    });
  }
  if (keyFile !== undefined && certFile === undefined) {
    complain(context, { path: ["key_file"], message: "needs cert_file, the certificate of this key" });
  }
}

export function compileTls(keys: TlsKeys): TlsConfig {
  return defined({
    caFile: keys.ca_file,
    certFile: keys.cert_file,
    keyFile: keys.key_file,
    serverName: keys.server_name,
    verify: keys.verify ?? true,
  });
}
