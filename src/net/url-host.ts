import type { ProxyConfig } from "./config.ts";

/**
 * The host of a URL as DNS and certificates have it, IPv6 without brackets: "xn--bcher-kva.example", "::1". Pure.
 *
 * Of the schemes that it does not know, as mqtt and mqtts, URL leaves "bücher" in percents.
 */
export function urlHost(url: string): string {
  return asciiHost(new URL(url)).replace(/^\[|\]$/g, "");
}

/** As `urlHost`, with the brackets and the port: for a sentence or a header. */
export function urlHostAndPort(url: string): string {
  const parsed = new URL(url);
  return asciiHost(parsed) + (parsed.port === "" ? "" : `:${parsed.port}`);
}

interface Road {
  readonly url: string;
  readonly proxy?: Pick<ProxyConfig, "url"> | undefined;
}

/** What a connection is made to: the server, or the proxy in front of it. */
export function hostOf({ url, proxy }: Road): string {
  return urlHost(proxy?.url ?? url);
}

function asciiHost({ hostname }: URL): string {
  return URL.parse(`http://${hostname}`)?.hostname ?? hostname;
}
