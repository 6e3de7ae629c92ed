import {
  Channel,
  connectivityState,
  logVerbosity,
  setLogVerbosity,
  type ChannelOptions,
} from "@grpc/grpc-js";
import { faultOfStatus } from "../../net/grpc-status.ts";
import { Outages } from "../../net/probe-outage.ts";
import { authorityOf, proxyAddress } from "../../net/proxy.ts";
import type { Peer } from "../../net/diagnose.ts";
import type { Fault } from "../../lib/fault.ts";
import { redactor } from "../redact.ts";
import type { FlightConfig } from "./api.ts";
import { doGetExchange, RunningCall, type Exchange, type FlightCall, type ServerCall } from "./call.ts";
import { FlightCredentials } from "./credentials.ts";
import { closed } from "./faults.ts";
import { callMetadata } from "./metadata.ts";

/**
 * The connection to one Flight server, made by the first call and again when it is lost.
 *
 * - Calls share one HTTP/2 connection. One that has been idle for a minute is closed: NAT forgets it in silence.
 * - A connection on which calls have waited in silence for as long as `ChannelTimes` says is left to them: the next
 *   call makes a new one, whether or not they were cancelled meanwhile. grpc-js would wait for TCP as long as the
 *   kernel does, two minutes, and for a server behind a connection that is gone without end.
 * - No HTTP/2 pings: gRPC servers allow one in five minutes without data and cut off who sends more, and planning may
 *   take its time. TCP's own probes (credentials.ts) find a server that is gone, while nothing is on its way to it.
 * - A proxy is that of the configuration (credentials.ts): the variables of the environment are not used.
 * - grpc-js repeats nothing and prints nothing by itself.
 * - No call waits for a probe: what it finds is said by the next one that fails alike. It ends with the channel.
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
  /** Any other call; the same faults. */
  call<M>(exchange: Exchange<M>, options: CallOptions): ServerCall<M>;
  /** Calls under way end with the fault `flight_closed`. */
  close(): void;
}

export interface ChannelTimes {
  /** For a connection. */
  readonly connectPatienceMs: number;
  /** For any word on it. InfluxDB sends one every 5 s, but none while it plans. */
  readonly answerPatienceMs: number;
}

const usualTimes: ChannelTimes = { connectPatienceMs: 10_000, answerPatienceMs: 15_000 };

/**
 * InfluxDB cuts answers into 2 MiB, but never a row. grpc-js looks at the length in front of a message, so a lying one costs
 * no memory.
 */
const maxMessageBytes = 64 * 1024 * 1024;

/** What a line knows of its calls. */
interface Ending {
  readonly isWaiting: boolean;
  endWith(fault: Fault): void;
}

/** A connection, or the attempt to make one, and the calls on it, the last of which closes it when it was left. */
interface Line {
  readonly grpc: Channel;
  readonly credentials: FlightCredentials;
  readonly calls: Set<Ending>;
  /** Since when calls have waited and nothing was heard. */
  waitingSinceMs: number | undefined;
}

export function openChannel(
  config: FlightConfig,
  times: ChannelTimes = usualTimes,
  outages: Outages = outagesOf(config),
): FlightChannel {
  const peer: Peer = { target: "flight", url: config.url };
  const token = config.token?.reveal();
  const withoutToken = token === undefined || token === "";
  const spoken = { peer, withoutToken, redact: redactor(token ?? "") };
  const closing = new AbortController();
  const lines = new Set<Line>();
  let current: Line | undefined;
  let isClosed = false;
  setLogVerbosity(logVerbosity.NONE);

  function line(): Line {
    if (current !== undefined && current.calls.size > 0 && isSilent(current, times)) leave(current);
    if (current !== undefined) return current;
    current = { ...connection(config, peer), calls: new Set(), waitingSinceMs: undefined };
    lines.add(current);
    return current;
  }
  function leave(old: Line): void {
    if (current === old) current = undefined;
    if (old.calls.size === 0 && lines.delete(old)) old.grpc.close();
  }

  function call<M>(exchange: Exchange<M>, options: CallOptions): ServerCall<M> {
    if (isClosed) throw closed();
    const { requestId, metadata: own, database, deadlineMs } = options;
    const startedMs = performance.now();
    const timeoutMs = Math.max(0, deadlineMs - startedMs);
    const metadata = callMetadata({ token, database, requestId, own, timeoutMs });
    const on = line();
    const { grpc, credentials, calls } = on;
    const started = RunningCall.start(exchange, {
      grpc,
      metadata,
      deadlineMs,
      isConnected: () => isConnected(on),
      explain: (status, phase) => {
        const { lastFault } = credentials;
        const fault = faultOfStatus(status, { ...spoken, phase, timeoutMs, connectionFault: lastFault });
        const isOfStranger = fault.code === "flight_not_grpc";
        if (phase === "connecting" || isOfStranger) {
          return outages.soon(credentials.atProxy(fault), performance.now(), closing.signal, phase);
        }
        outages.over();
        return fault;
      },
      onWait() {
        on.waitingSinceMs ??= performance.now();
      },
      onHeard(phase) {
        if (phase === "streaming") outages.over();
        on.waitingSinceMs = calls.values().some(({ isWaiting }) => isWaiting) ? performance.now() : undefined;
      },
      onEnd() {
        calls.delete(started);
        // A line that was left is closed by its last call.
        if (current !== on || isSilent(on, times)) leave(on);
      },
    });
    calls.add(started);
    return started;
  }

  return {
    doGet: (ticket, options) => call(doGetExchange(ticket), options),
    call,
    close() {
      isClosed = true;
      closing.abort();
      for (const old of lines) {
        for (const each of old.calls) each.endWith(closed());
        leave(old);
      }
    },
  };
}

function isConnected({ grpc }: Line): boolean {
  return grpc.getConnectivityState(false) === connectivityState.READY;
}

function isSilent(on: Line, { connectPatienceMs, answerPatienceMs }: ChannelTimes): boolean {
  const silenceMs = performance.now() - (on.waitingSinceMs ?? Infinity);
  return silenceMs >= (isConnected(on) ? answerPatienceMs : connectPatienceMs);
}

/** Of one step of a probe. */
const probeStepMs = 5000;

function outagesOf({ url, tls, proxy }: FlightConfig): Outages {
  const target = { target: "flight", speaks: "grpc", url, tls, timeoutMs: probeStepMs } as const;
  return new Outages(proxy === undefined ? target : undefined);
}

function connection(config: FlightConfig, peer: Peer): Pick<Line, "grpc" | "credentials"> {
  const { protocol, hostname, port } = new URL(config.url);
  const usesTls = protocol === "https:";
  const authority = `${hostname}:${port === "" ? (usesTls ? 443 : 80) : port}`;
  const host = hostname.replace(/^\[|\]$/g, ""); // IPv6 stands in brackets in a URL only
  const { proxy } = config;
  const tls = usesTls ? config.tls : undefined;
  const credentials = new FlightCredentials(peer, { host, authority, proxy, tls });
  const options: ChannelOptions = {
    "grpc.primary_user_agent": "flightline",
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc-node.flow_control_window": 1024 * 1024,
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
  } else if (proxy !== undefined) {
    options["grpc.default_authority"] = authority;
  }
  const target = proxy === undefined ? authority : authorityOf(proxyAddress(proxy));
  return { grpc: new Channel(`dns:${target}`, credentials, options), credentials };
}
