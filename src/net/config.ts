/** The keys of TLS and of a proxy, the same wherever a server is named: MQTT, writing, Flight, webhooks. */
import { z } from "zod";
import { complain, defined, filePath, secret, secretFile, text, url } from "../lib/schema.ts";
import type { Secret } from "../lib/secret.ts";

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
 * them, which `urlKeys` names. Runs on tables that may be wrong already.
 */
export function checkTls(
  keys: Readonly<Record<string, unknown>>,
  schemes: { readonly secure: string; readonly plain: string },
  context: z.RefinementCtx,
  urlKeys: readonly string[] = ["url"],
): void {
  const { cert_file: certFile, key_file: keyFile } = keys;
  const urls = urlKeys.map((name) => keys[name]).filter((url) => typeof url === "string");
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

/** An HTTP proxy that is asked for a tunnel by CONNECT. */
export interface ProxyConfig {
  /** http://host:port, without credentials or path. */
  readonly url: string;
  /** The key that faults name: "influxdb.proxy". */
  readonly setting: string;
  readonly username?: string;
  /** Only beside a user name. */
  readonly password?: Secret;
}

/** Spread into the table of whoever connects through a proxy. */
export const proxyShape = {
  proxy: url({
    schemes: ["http"],
    pathAllowed: false,
    credentialKeys: "proxy_username and proxy_password_file",
    description: "An HTTP proxy to connect through (CONNECT), such as http://proxy.example:3128",
  }).optional(),
  proxy_username: text(
    "a user name on one line and without a colon",
    /^[^\p{Cc}:]{1,256}$/u,
    "User name at the proxy",
  ).optional(),
  proxy_password: secret("Password at the proxy; proxy_password_file keeps it out of this file"),
  proxy_password_file: secretFile("A file that holds the password for the proxy"),
};

type ProxyKeys = z.output<z.ZodObject<typeof proxyShape>>;

/** Complains about keys that do not go together. Runs on tables that may be wrong already. */
export function checkProxy(keys: Readonly<Record<string, unknown>>, context: z.RefinementCtx): void {
  const passwords = ["proxy_password", "proxy_password_file"].filter((name) => keys[name] !== undefined);
  const [password, second] = passwords;
  if (keys["proxy"] === undefined) {
    const [name = password] = keys["proxy_username"] === undefined ? [] : ["proxy_username"];
    if (name !== undefined) complain(context, { path: [name], message: "has no effect without proxy" });
  } else if (password !== undefined && keys["proxy_username"] === undefined) {
    complain(context, { path: [password], message: "needs proxy_username, whose password this is" });
  }
  if (second !== undefined) {
    complain(context, { path: [second], message: `${password} is given too: keep one of the two` });
  }
}

/** Undefined: connections are made straight to the server. */
export function compileProxy(keys: ProxyKeys, table: string): ProxyConfig | undefined {
  if (keys.proxy === undefined) return undefined;
  return defined({
    url: keys.proxy,
    setting: `${table}.proxy`,
    username: keys.proxy_username,
    password: keys.proxy_password ?? keys.proxy_password_file,
  });
}
