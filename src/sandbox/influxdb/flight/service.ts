/** The methods of Arrow Flight, and what InfluxDB 3 Core says to those that it does not have. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";

import { HandshakeRequestSchema, HandshakeResponseSchema } from "../../../proto/flight/flight_pb.js";
import { doGet } from "./do-get.ts";
import type { DoGetDeps } from "./do-get.ts";
import type { GrpcCall } from "./grpc-call.ts";
import type { GrpcMethod } from "./grpc-server.ts";
import { GrpcStatus, statusCode } from "./grpc-status.ts";
import { doAction, doPut, getFlightInfo } from "./sql-methods.ts";

const service = "/arrow.flight.protocol.FlightService/";

/** With the name that their refusal has. */
const missing: Readonly<Record<string, string>> = {
  GetSchema: "get_schema",
  ListFlights: "list_flights",
  ListActions: "list_actions",
  PollFlightInfo: "poll_flight_info",
  DoExchange: "do_exchange",
};

/** By the path of their requests. */
export function flightMethods(deps: DoGetDeps): ReadonlyMap<string, GrpcMethod> {
  const methods = new Map<string, GrpcMethod>([
    [`${service}DoGet`, async (call) => await doGet(deps, call)],
    [`${service}Handshake`, handshake],
    [`${service}GetFlightInfo`, async (call) => await getFlightInfo(deps, call)],
    [`${service}DoAction`, async (call) => await doAction(deps, call)],
    [`${service}DoPut`, async (call) => await doPut(deps, call)],
  ]);
  for (const [name, text] of Object.entries(missing)) {
    methods.set(
      service + name,
      async () => await Promise.reject(unimplemented(`Not yet implemented: ${text}`)),
    );
  }
  return methods;
}

/** Gives back what it got, and a token unchecked. */
async function handshake(call: GrpcCall): Promise<void> {
  const { protocolVersion, payload } = fromBinary(HandshakeRequestSchema, await call.request());
  const [, token] = /^(?:Bearer|Token) (\S+)$/.exec(call.headers.authorization ?? "") ?? [];
  call.respond(token === undefined ? {} : { authorization: `Bearer ${token}` });
  const response = create(HandshakeResponseSchema, { protocolVersion, payload });
  await call.send(toBinary(HandshakeResponseSchema, response));
}

function unimplemented(text: string): GrpcStatus {
  return new GrpcStatus(statusCode.unimplemented, text);
}
