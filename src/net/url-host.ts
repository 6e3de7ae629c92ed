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

function asciiHost({ hostname }: URL): string {
  return URL.parse(`http://${hostname}`)?.hostname ?? hostname;
}
