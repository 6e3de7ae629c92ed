import { Channel, connectivityState, type ChannelOptions } from "@grpc/grpc-js";
import { faultOfStatus } from "../../net/grpc-status.ts";
import type { Peer } from "../../net/diagnose.ts";
import { redactor } from "../redact.ts";
import type { FlightConfig } from "./api.ts";
import { DoGetCall, type FlightCall } from "./call.ts";
import { FlightCredentials } from "./credentials.ts";
import { closed } from "./faults.ts";
import { callMetadata } from "./metadata.ts";

/**
 * The connection to one Flight server, made by the first call and again when it is lost.
 *
 * - Calls share one HTTP/2 connection. One that has been idle for a minute is closed: NAT forgets it in silence.
 * - grpc-js waits for a TCP connection as long as the kernel does, two minutes, and a server may be back long before
 *   that. So when a call's deadline finds a connection attempt that is older than `connectPatienceMs`, the next
 *   call makes a new one.
 * - The proxy variables of the environment are not used, and grpc-js repeats nothing by itself.
 */

export interface CallOptions {
  readonly requestId: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly database: string;
  /** On the clock of `performance.now`. */
  readonly deadlineMs: number;
}

export interface FlightChannel {
  /** Sends the ticket. Throws a `Fault`: flight_bad_metadata, flight_closed. */
  doGet(ticket: Uint8Array, options: CallOptions): FlightCall;
  /** Calls under way end with the fault `flight_closed`. */
  close(): void;
}

export interface ChannelTimes {
  readonly connectPatienceMs: number;
  /** A ping after so much silence while a call is under way, and as long again for its answer. */
  readonly keepAliveMs: number;
}

const usualTimes: ChannelTimes = { connectPatienceMs: 10_000, keepAliveMs: 10_000 };

/**
 * InfluxDB cuts answers into 2 MiB, but never a row. grpc-js looks at the length in front of a message, so a lying one costs
 * no memory.
 */
const maxMessageBytes = 64 * 1024 * 1024;

/** A connection, or the attempt to make one, and the calls on it. */
interface Line {
  readonly grpc: Channel;
  readonly credentials: FlightCredentials;
  readonly calls: Set<DoGetCall>;
  /** When the first of the calls began that have waited for a connection since. */
  waitingSinceMs: number | undefined;
}

export function openChannel(config: FlightConfig, times: ChannelTimes = usualTimes): FlightChannel {
  const peer: Peer = { target: "flight", url: config.url };
  const token = config.token?.reveal();
  const spoken = { peer, redact: redactor(token ?? "") };
  const lines = new Set<Line>();
  let current: Line | undefined;
  let isClosed = false;

  function line(): Line {
    if (current !== undefined) return current;
    current = { ...connection(config, peer, times), calls: new Set(), waitingSinceMs: undefined };
    lines.add(current);
    return current;
  }
  function leave(old: Line): void {
    if (current === old) current = undefined;
    if (old.calls.size === 0 && lines.delete(old)) old.grpc.close();
  }

  return {
    doGet(ticket, { requestId, metadata: own, database, deadlineMs }) {
      if (isClosed) throw closed();
      const startedMs = performance.now();
      const timeoutMs = Math.max(0, deadlineMs - startedMs);
      const metadata = callMetadata({ token, database, requestId, own, timeoutMs });
      const on = line();
      const { grpc, credentials, calls } = on;
      on.waitingSinceMs ??= startedMs;
      const call = DoGetCall.start(ticket, {
        grpc,
        metadata,
        deadlineMs,
        isConnected: () => grpc.getConnectivityState(false) === connectivityState.READY,
        explain: (status, phase) =>
          faultOfStatus(status, { ...spoken, phase, timeoutMs, connectionFault: credentials.lastFault }),
        onEnd(overdueIn) {
          calls.delete(call);
          if (overdueIn !== "connecting") on.waitingSinceMs = undefined;
          const waitedMs = performance.now() - (on.waitingSinceMs ?? Infinity);
          // A line that was left is closed by its last call.
          if (current !== on || waitedMs >= times.connectPatienceMs) leave(on);
        },
      });
      calls.add(call);
      return call;
    },
    close() {
      isClosed = true;
      for (const old of lines) {
        for (const call of old.calls) call.endWith(closed());
        leave(old);
      }
    },
  };
}

function connection(
  config: FlightConfig,
  peer: Peer,
  times: ChannelTimes,
): Pick<Line, "grpc" | "credentials"> {
  const { protocol, hostname, port } = new URL(config.url);
  const usesTls = protocol === "https:";
  const address = `${hostname}:${port === "" ? (usesTls ? 443 : 80) : port}`;
  const host = hostname.replace(/^\[|\]$/g, ""); // IPv6 stands in brackets in a URL only
  const credentials = new FlightCredentials(peer, host, usesTls ? config.tls : undefined);
  const options: ChannelOptions = {
    "grpc.primary_user_agent": "flightline",
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc-node.flow_control_window": 1024 * 1024,
    "grpc.keepalive_time_ms": times.keepAliveMs,
    "grpc.keepalive_timeout_ms": times.keepAliveMs,
    "grpc.initial_reconnect_backoff_ms": 1000,
    "grpc.max_reconnect_backoff_ms": 10_000,
    "grpc.dns_min_time_between_resolutions_ms": 5000,
    "grpc.client_idle_timeout_ms": 60_000,
    "grpc.use_local_subchannel_pool": 1,
    "grpc.service_config_disable_resolution": 1,
    "grpc.enable_retries": 0,
    "grpc.enable_http_proxy": 0,
    "grpc.enable_channelz": 0,
  };
  const { serverName } = config.tls;
  if (usesTls && serverName !== undefined) {
    options["grpc.default_authority"] = port === "" ? serverName : `${serverName}:${port}`;
  }
  return { grpc: new Channel(`dns:${address}`, credentials, options), credentials };
}
