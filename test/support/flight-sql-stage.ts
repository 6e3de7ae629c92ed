/** A server of Flight SQL in a test's hands, and a client on it. */
import assert from "node:assert/strict";
import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import type { FlightConfig } from "../../src/influx/flight/api.ts";
import { createFlightSqlClient } from "../../src/influx/flight/flight-sql-client.ts";
import type { FlightSqlClient } from "../../src/influx/flight/flight-sql-api.ts";
import { Secret } from "../../src/lib/secret.ts";
import {
  ActionSchema,
  FlightDescriptorSchema,
  FlightDescriptor_DescriptorType,
  FlightInfoSchema,
  type FlightInfo,
} from "../../src/proto/flight/flight_pb.js";
import { startFlightServer, type FlightServer, type Reply } from "./flight-server.ts";
import { waitFor } from "./wait.ts";

type Info = MessageInitShape<typeof FlightInfoSchema>;

export interface SqlAnswers {
  /** To GetFlightInfo; undefined: it has replied itself. Default: one endpoint, whose ticket is the command. */
  readonly info?: (
    command: Uint8Array,
    reply: Reply,
    call: number,
  ) => Promise<Info | undefined> | Info | undefined;
  readonly doGet?: (ticket: Uint8Array, reply: Reply, call: number) => Promise<void> | void;
  /** The body of the result. */
  readonly action?: (
    type: string,
    body: Uint8Array,
    reply: Reply,
  ) => Promise<Uint8Array | undefined> | Uint8Array;
  /** Decoded is the client's affair: these are the messages of DoPut. */
  readonly put?: (messages: readonly Uint8Array[], reply: Reply) => Promise<void>;
}

interface SqlStage extends AsyncDisposable {
  readonly server: FlightServer;
  readonly client: FlightSqlClient;
  /** In the order in which they came. */
  readonly methods: string[];
}

export async function sqlStage(answers: SqlAnswers, more: Partial<FlightConfig> = {}): Promise<SqlStage> {
  const methods: string[] = [];
  const count = (method: string): number => methods.filter((each) => each === method).length;
  const server = await startFlightServer({
    doGet: async (ticket, reply) => {
      methods.push("DoGet");
      await answers.doGet?.(ticket, reply, count("DoGet"));
    },
    other: async (method, requests, reply) => {
      methods.push(method);
      const [first] = requests;
      assert.ok(first !== undefined, "a call has a request");
      if (method === "GetFlightInfo") {
        const command = commandOf(first);
        const info =
          answers.info === undefined ? here(command) : await answers.info(command, reply, count(method));
        if (info !== undefined) await reply.sendMessage(infoBytes(info));
      } else if (method === "DoAction") {
        const { type, body } = fromBinary(ActionSchema, first);
        methods.push(type);
        const result = await answers.action?.(type, body, reply);
        if (result !== undefined) await reply.sendMessage(resultBytes(result));
      } else await answers.put?.(requests, reply);
    },
  });
  const client = createFlightSqlClient({
    url: server.url,
    database: "farm",
    token: new Secret("apiv3_s3cret"),
    tls: { verify: true },
    timeoutMs: 10_000,
    ...more,
  });
  return {
    server,
    client,
    methods,
    [Symbol.asyncDispose]: async () => {
      client.close();
      await waitFor(() => server.connections === 0, { what: "the end of the connections" });
      assert.deepEqual(server.errors, []);
      await server.stop();
    },
  };
}

/** Endpoints with these tickets, at the server that was asked. */
export function here(...tickets: readonly (string | Uint8Array)[]): Info {
  return { endpoint: tickets.map((ticket) => ({ ticket: { ticket: Buffer.from(ticket) } })) };
}

export function at(ticket: string, ...uris: readonly string[]): NonNullable<Info["endpoint"]>[number] {
  return { ticket: { ticket: Buffer.from(ticket) }, location: uris.map((uri) => ({ uri })) };
}

export function infoBytes(info: Info): Uint8Array {
  const message: FlightInfo = create(FlightInfoSchema, info);
  return toBinary(FlightInfoSchema, message);
}

/** A Result and a PutResult have one field each, of the same number. */
export function resultBytes(body: Uint8Array): Uint8Array {
  const length: number[] = [];
  for (let left = body.length; ; left = Math.floor(left / 128)) {
    if (left < 128) {
      length.push(left);
      return Buffer.concat([Buffer.from([0x0a, ...length]), body]);
    }
    length.push((left % 128) + 128);
  }
}

/** The short name of a command's type, and its message. */
export function unpackCommand(command: Uint8Array): [type: string, value: Uint8Array] {
  const { typeUrl, value } = fromBinary(AnySchema, command);
  const [, type = typeUrl] =
    /^type\.googleapis\.com\/arrow\.flight\.protocol\.sql\.(\w+)$/.exec(typeUrl) ?? [];
  return [type, value];
}

/** As a schema stands in a field of its own. */
export function encapsulated(header: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(8);
  frame.writeUInt32LE(0xffff_ffff);
  frame.writeUInt32LE(header.length, 4);
  return Buffer.concat([frame, header]);
}

function commandOf(request: Uint8Array): Uint8Array {
  const { type, cmd } = fromBinary(FlightDescriptorSchema, request);
  assert.equal(type, FlightDescriptor_DescriptorType.CMD);
  return cmd;
}
