/**
 * A Flight server that only sends: messages are made once and go out as they are, so that what is measured is who
 * reads them. The query is a number of record batches, each of 8,192 rows in four columns, as InfluxDB sends them.
 */
import { Server, ServerCredentials, type ServerWritableStream } from "@grpc/grpc-js";
import { create, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { FlightDataSchema } from "../../../src/proto/flight/flight_pb.js";
import { helperSettings, report } from "./child.ts";
import { monotonicMs } from "./figures.ts";
import { sampleMessages } from "./flight-messages.ts";

helperSettings();

const messages = sampleMessages();
const schema = encoded(messages[0]);
const batch = encoded(messages[1]);

function encoded(message: MessageInitShape<typeof FlightDataSchema>): Buffer {
  return Buffer.from(toBinary(FlightDataSchema, create(FlightDataSchema, message)));
}

function asked(ticket: Buffer): number {
  // The ticket is a message with one field, whose text is JSON.
  const text = ticket.toString("utf8");
  const { sql_query: query } = JSON.parse(text.slice(text.indexOf("{"))) as { readonly sql_query: string };
  return Number(query);
}

function serve(call: ServerWritableStream<Buffer, Buffer>): void {
  let left = asked(call.request);
  const send = (): void => {
    while (left > 0 && !call.cancelled) {
      left -= 1;
      if (!call.write(batch)) return;
    }
    call.end();
  };
  call.on("cancelled", () => {
    report({ cancelledAtMs: monotonicMs() });
  });
  call.on("drain", send);
  call.write(schema);
  send();
}

const server = new Server({ "grpc-node.flow_control_window": 1 << 20, "grpc.max_send_message_length": -1 });
const identity = (bytes: Buffer): Buffer => bytes;
server.addService(
  {
    doGet: {
      path: "/arrow.flight.protocol.FlightService/DoGet",
      requestStream: false,
      responseStream: true,
      requestSerialize: identity,
      requestDeserialize: identity,
      responseSerialize: identity,
      responseDeserialize: identity,
    },
  },
  { doGet: serve },
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  report({ port, batchBytes: batch.length });
});
