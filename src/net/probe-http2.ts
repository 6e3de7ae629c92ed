import type { TLSSocket } from "node:tls";
import { askedPath } from "./probe-answer.ts";
import { within, type Bound } from "./probe-socket.ts";

/**
 * How a request over HTTP/2 is answered: a server that wants a certificate may complete the handshake, send its
 * SETTINGS and refuse each request. Takes the session over and closes it. Never rejects; undefined: no answer in time.
 */
export async function statusOverHttp2(
  session: TLSSocket,
  host: string,
  bound: Bound,
): Promise<number | undefined> {
  // Needed by few: not loaded with the probe.
  const { connect } = await import("node:http2");
  if (session.destroyed) return undefined;
  const client = connect(`https://${host}`, { createConnection: () => session });
  client.on("error", () => {});
  const status = await within<number | undefined>(bound, undefined, (settle) => {
    client.once("close", () => settle(undefined));
    const request = client.request({ ":path": askedPath, "user-agent": "flightline" });
    request.on("error", () => settle(undefined));
    request.once("response", (headers) => settle(headers[":status"]));
    request.resume();
  });
  client.destroy();
  session.destroy();
  return status;
}
