/** The methods of Arrow Flight, and what InfluxDB 3 Core says to those that it does not have. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";

import {
  FlightDescriptorSchema,
  FlightDescriptor_DescriptorType,
  HandshakeRequestSchema,
  HandshakeResponseSchema,
} from "../../../proto/flight/flight_pb.js";
import { doGet } from "./do-get.ts";
import type { DoGetDeps } from "./do-get.ts";
import type { GrpcCall } from "./grpc-call.ts";
import type { GrpcMethod } from "./grpc-server.ts";
import { GrpcStatus, statusCode } from "./grpc-status.ts";

const service = "/arrow.flight.protocol.FlightService/";

/** With the name that their refusal has. */
const missing: Readonly<Record<string, string>> = {
  GetSchema: "get_schema",
  ListFlights: "list_flights",
  ListActions: "list_actions",
  PollFlightInfo: "poll_flight_info",
  DoExchange: "do_exchange",
  DoAction: "do_action",
  DoPut: "do_put",
};

/** By the path of their requests. */
export function flightMethods(deps: DoGetDeps): ReadonlyMap<string, GrpcMethod> {
  const methods = new Map<string, GrpcMethod>([
    [`${service}DoGet`, async (call) => await doGet(deps, call)],
    [`${service}Handshake`, handshake],
    [`${service}GetFlightInfo`, getFlightInfo],
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

async function getFlightInfo(call: GrpcCall): Promise<void> {
  const { type } = fromBinary(FlightDescriptorSchema, await call.request());
  const isPath = type === FlightDescriptor_DescriptorType.PATH;
  throw unimplemented(
    isPath ? "Unsupported message type: FlightInfo with Path" : "Not yet implemented: get_flight_info",
  );
}

function unimplemented(text: string): GrpcStatus {
  return new GrpcStatus(statusCode.unimplemented, text);
}
