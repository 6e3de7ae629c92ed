/**
 * A command's answer as one stream of messages: GetFlightInfo says where it lies, and DoGet fetches it from there,
 * endpoint after endpoint, in their order. Each of them begins with the schema again. Everything goes over one channel: an
 * endpoint at another server is a fault, for the token is not sent there.
 */
import type { FlightInfo } from "../../proto/flight/flight_pb.js";
import { badStream } from "../arrow/faults.ts";
import { schemaHeader } from "../arrow/schema-message.ts";
import type { AnswerCall } from "./attempt.ts";
import type { FlightCall, FlightMessage, ServerCall } from "./call.ts";
import type { CallOptions, FlightChannel } from "./channel.ts";
import { badAnswer, cancelled } from "./faults.ts";
import { infoExchange } from "./flight-sql-commands.ts";
import { checkLocations } from "./locations.ts";
import { onlyMessage } from "./short-call.ts";

interface InfoCallOptions {
  readonly command: Uint8Array;
  readonly channel: FlightChannel;
  readonly options: CallOptions;
  readonly ownUrl: string;
}

export class InfoCall implements AnswerCall {
  readonly #options: InfoCallOptions;
  readonly #asking: ServerCall<FlightInfo>;
  /** Begun by the first pull. */
  #parts: Promise<Iterator<FlightCall>> | undefined;
  #part: FlightCall | undefined;
  #current: ServerCall<unknown>;
  #partHasBegun = false;
  #isCancelled = false;

  /** Sends the command. Throws what the channel throws. */
  constructor(options: InfoCallOptions) {
    const { channel, command } = options;
    this.#options = options;
    this.#asking = channel.call(infoExchange(command), options.options);
    this.#current = this.#asking;
  }

  get trailers(): Readonly<Record<string, string>> {
    return this.#current.trailers;
  }

  get isBetweenParts(): boolean {
    return !this.#partHasBegun;
  }

  async next(): Promise<FlightMessage | undefined> {
    const parts = await (this.#parts ??= this.#ask());
    for (;;) {
      if (this.#isCancelled) throw cancelled();
      this.#part ??= parts.next().value as FlightCall | undefined;
      if (this.#part === undefined) return undefined;
      this.#current = this.#part;
      const message = await this.#part.next();
      if (message !== undefined) {
        this.#partHasBegun = true;
        return message;
      }
      if (!this.#partHasBegun) throw badStream("it ended without a schema");
      this.#partHasBegun = false;
      this.#part = undefined;
    }
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#current.cancel();
  }

  async #ask(): Promise<Iterator<FlightCall>> {
    const { channel, options, ownUrl } = this.#options;
    const info = await onlyMessage(this.#asking, "GetFlightInfo");
    if (info === undefined) throw badAnswer("GetFlightInfo", "there is none");
    const tickets = ticketsOf(info, ownUrl);
    if (tickets.length > 0) return tickets.values().map((ticket) => channel.doGet(ticket, options));
    // No rows, and no server to say so.
    const header = schemaHeader(info.schema);
    const none = new Uint8Array(0);
    const only = { header, body: none, appMetadata: none, bytes: header.length };
    return [said(only)].values();
  }
}

function ticketsOf({ endpoint }: FlightInfo, ownUrl: string): readonly Uint8Array[] {
  return endpoint.map(({ ticket, location }) => {
    checkLocations(
      location.map(({ uri }) => uri),
      ownUrl,
    );
    if (ticket === undefined) throw badAnswer("GetFlightInfo", "an endpoint has no ticket");
    return ticket.ticket;
  });
}

/** A call that has one message and nobody behind it. */
function said(message: FlightMessage): FlightCall {
  let left: FlightMessage | undefined = message;
  return {
    next: async () => {
      const next = left;
      left = undefined;
      return next;
    },
    cancel: () => {
      left = undefined;
    },
    trailers: {},
  };
}
