/** `Authorization: Bearer T`, `Token T` or `Basic base64(user:T)`, as InfluxDB 3 Core reads it. */
import type { Secret } from "../../lib/secret.ts";
import { Refused } from "./answer.ts";

export interface AuthOptions {
  /** May do everything. */
  readonly token: Secret;
  /** Is known, and may do nothing: for the test of a 403. */
  readonly powerlessToken?: Secret | undefined;
}

const schemes = new Set(["Bearer", "Token", "Basic"]);

/** Throws `Refused` with the server's 400, 401 or 403. */
export function authorize(header: string | undefined, options: AuthOptions | undefined): void {
  if (options === undefined) return;
  const token = header === undefined ? undefined : tokenIn(header);
  if (token !== undefined && token === options.powerlessToken?.reveal()) {
    throw refusal(403, "unauthorized to perform requested action with the token");
  }
  if (token !== options.token.reveal()) throw refusal(401, "the request was not authenticated");
}

function tokenIn(header: string): string {
  const [scheme, credentials, ...more] = header.split(" ");
  if (scheme === undefined || !schemes.has(scheme) || credentials === undefined || more.length > 0) {
    throw malformed();
  }
  if (scheme !== "Basic") return credentials;
  const [user, token, ...rest] = Buffer.from(credentials, "base64").toString("utf8").split(":");
  if (user === undefined || token === undefined || rest.length > 0) throw malformed();
  return token;
}

function malformed(): Refused {
  return refusal(
    400,
    "Authorization header was malformed, the request was not in the form of " +
      "'Authorization: <auth-scheme> <token>', supported auth-schemes are Bearer, Token and Basic",
  );
}

/** Here the server writes its JSON by hand, with a space. */
function refusal(status: number, error: string): Refused {
  return new Refused({ status, body: `{"error": "${error}"}` });
}
