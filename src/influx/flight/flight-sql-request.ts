/** What every question of Flight SQL has from its client, and how a command becomes a request that is read. */
import type { ReadOptions } from "./api.ts";
import { InfoCall } from "./info-call.ts";
import type { ReadingDeps, ReadRequest } from "./reading.ts";

export interface FlightSqlDeps {
  readonly ownUrl: string;
  /** With what the client adds. */
  readonly complete: <O extends ReadOptions>(
    options: O,
  ) => O & Pick<ReadRequest, "requestId" | "database" | "timeoutMs">;
  readonly streamDeps: ReadingDeps;
}

/** `command` is made when it is sent: what it throws belongs to the stream. */
export function commandRequest(
  command: () => Uint8Array,
  options: ReadOptions = {},
  { complete, ownUrl }: Pick<FlightSqlDeps, "complete" | "ownUrl">,
): ReadRequest {
  return {
    ...complete(options),
    open: (channel, callOptions) =>
      new InfoCall({ command: command(), channel, options: callOptions, ownUrl }),
  };
}
