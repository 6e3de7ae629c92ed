/** The messages of Flight SQL: commands and actions on their way out, and what answers them. Pure. */
import { create, fromBinary, toBinary, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import type { Message } from "@bufbuild/protobuf";
import { AnySchema, anyPack, anyUnpack } from "@bufbuild/protobuf/wkt";
import {
  ActionSchema,
  FlightDataSchema,
  FlightDescriptorSchema,
  FlightDescriptor_DescriptorType,
  FlightInfoSchema,
  PutResultSchema,
  ResultSchema,
  type FlightInfo,
} from "../../proto/flight/flight_pb.js";
import {
  ActionCreatePreparedStatementResultSchema,
  DoPutPreparedStatementResultSchema,
  type ActionCreatePreparedStatementResult,
} from "../../proto/flight/flight_sql_pb.js";
import type { IpcMessage } from "../arrow/decoder.ts";
import type { Exchange } from "./call.ts";
import { badAnswer, messageTooBig } from "./faults.ts";
import { checkRequest, checkText } from "./params.ts";

/** Handles, tickets and schemas; a table of 10,000 columns takes 1 MB. */
const maxShortAnswerBytes = 8 * 1024 * 1024;

/** Of a text that stands in a fault. */
const maxShownChars = 64;

/** In the envelope that Flight SQL wants. Throws the fault `flight_bad_parameter`. */
export function packed<D extends DescMessage>(schema: D, init: MessageInitShape<D>): Uint8Array {
  // protobuf-es would send another character in its place.
  for (const text of Object.values(init).flat()) {
    if (typeof text === "string") {
      checkText(text, `the text ${JSON.stringify(text.slice(0, maxShownChars).toWellFormed())}`);
    }
  }
  const bytes = toBinary(AnySchema, anyPack(schema, create(schema, init)));
  checkRequest(bytes.length);
  return bytes;
}

/** Where the answer to a command is. */
export function infoExchange(command: Uint8Array): Exchange<FlightInfo> {
  return {
    method: "GetFlightInfo",
    requests: [toBinary(FlightDescriptorSchema, descriptor(command))],
    decode: (message) => shortAnswer("GetFlightInfo", FlightInfoSchema, message),
  };
}

/** The body of the answer. */
export function actionExchange(
  type: "CreatePreparedStatement" | "ClosePreparedStatement",
  body: Uint8Array,
): Exchange<Uint8Array> {
  return {
    method: "DoAction",
    requests: [toBinary(ActionSchema, create(ActionSchema, { type, body }))],
    decode: (message) => shortAnswer("DoAction", ResultSchema, message).body,
  };
}

/** Undefined: the server keeps the handle, and what was bound to it. */
export function bindExchange(
  command: Uint8Array,
  batch: readonly IpcMessage[],
): Exchange<Uint8Array | undefined> {
  return {
    method: "DoPut",
    requests: batch.map(({ header, body }, index) => {
      const flightDescriptor = index === 0 ? { flightDescriptor: descriptor(command) } : {};
      const data = create(FlightDataSchema, { ...flightDescriptor, dataHeader: header, dataBody: body });
      const request = toBinary(FlightDataSchema, data);
      checkRequest(request.length);
      return request;
    }),
    decode: (message) => {
      const { appMetadata } = shortAnswer("DoPut", PutResultSchema, message);
      const result = fromBinary(DoPutPreparedStatementResultSchema, appMetadata);
      const handle = result.preparedStatementHandle;
      return handle === undefined || handle.length === 0 ? undefined : handle;
    },
  };
}

/** Throws the fault `flight_bad_answer`. */
export function createdStatement(body: Uint8Array | undefined): ActionCreatePreparedStatementResult {
  const result = body && unpacked(body);
  if (result === undefined) throw badAnswer("DoAction", "it holds no prepared statement");
  return result;
}

function unpacked(body: Uint8Array): ActionCreatePreparedStatementResult | undefined {
  try {
    return anyUnpack(fromBinary(AnySchema, body), ActionCreatePreparedStatementResultSchema);
  } catch (error) {
    throw badAnswer("DoAction", "it is no message of Flight SQL", error);
  }
}

function descriptor(cmd: Uint8Array): ReturnType<typeof create<typeof FlightDescriptorSchema>> {
  return create(FlightDescriptorSchema, { type: FlightDescriptor_DescriptorType.CMD, cmd });
}

function shortAnswer<M extends Message>(method: string, schema: GenMessage<M>, message: Uint8Array): M {
  if (message.length > maxShortAnswerBytes) throw messageTooBig(method, message.length, maxShortAnswerBytes);
  return fromBinary(schema, message);
}
