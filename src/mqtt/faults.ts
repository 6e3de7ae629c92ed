import { ErrorWithReasonCode } from "mqtt";
import { Fault, errorCode, errorText, type Disposition } from "../lib/fault.ts";
import { diagnose } from "../net/diagnose.ts";

interface Reason {
  readonly code: string;
  /**
   * "fatal": no connection will succeed until a person has acted, so that it is logged as an error. The
   * source tries again all the same: what is to be corrected may be on the broker's side.
   */
  readonly disposition: Disposition;
  readonly message: string;
  readonly hint: string;
}

const badVersion: Reason = {
  code: "broker_refused",
  disposition: "retry",
  message: "the broker does not speak the version of MQTT that we asked for",
  hint: 'set protocol = "auto" in [[mqtt]]',
};

const badClientId: Reason = {
  code: "broker_client_id_refused",
  disposition: "fatal",
  message: "the broker refused our client id",
  hint: "set a client_id in [[mqtt]] that the broker's rules allow",
};

const badCredentials: Reason = {
  code: "broker_bad_credentials",
  disposition: "fatal",
  message: "the broker refused the user name or password",
  hint: "check username and password_file in [[mqtt]]",
};

const notAuthorized: Reason = {
  code: "broker_not_authorized",
  disposition: "fatal",
  message: "the broker does not let us connect",
  // mosquitto says this also when the password is wrong.
  hint: "check username and password_file in [[mqtt]], or allow anonymous clients in the broker",
};

const unavailable: Reason = {
  code: "broker_unavailable",
  disposition: "retry",
  message: "the broker answers that it is unavailable",
  hint: "look at the broker's own log",
};

/** CONNACK and DISCONNECT codes, MQTT 3.1.1 (below 6) and 5 (from 128), that have a cause worth naming. */
const reasons: Readonly<Record<number, Reason>> = {
  1: badVersion,
  132: badVersion,
  2: badClientId,
  133: badClientId,
  4: badCredentials,
  134: badCredentials,
  5: notAuthorized,
  135: notAuthorized,
  3: unavailable,
  136: unavailable,
  137: unavailable,
  139: unavailable,
  142: {
    code: "broker_session_taken_over",
    disposition: "retry",
    message: "another client connected to the broker with our client id and took the session over",
    hint: "two daemons share a client id: set a client_id of its own in [[mqtt]], or stop the other one",
  },
  147: {
    code: "broker_receive_maximum",
    disposition: "retry",
    message: "the broker says that more messages were in flight than agreed",
    hint: 'set protocol = "3.1.1" in [[mqtt]], or update the broker',
  },
  149: {
    code: "broker_packet_too_large",
    disposition: "retry",
    message: "the broker refused a packet as too large",
    hint: "raise the broker's maximum packet size",
  },
  // An account, a plan or a rule of the broker's allows only so much at a time.
  151: {
    code: "broker_refused",
    disposition: "retry",
    message: "the broker says that a quota is exceeded (reason code 151)",
    hint: "raise the limit of connections, sessions or messages of this user in the broker, or let others use less; see its log for which one it is",
  },
  157: {
    code: "broker_refused",
    disposition: "retry",
    message: "the broker has moved to another address for good (reason code 157)",
    hint: "ask whoever runs it for the new address, and name that as url in [[mqtt]]",
  },
  159: {
    code: "broker_refused",
    disposition: "retry",
    message: "the broker takes no more connections for now: too many came in a short time (reason code 159)",
    hint: "it is tried again, ever less often; when it goes on, see in the broker's log who connects again and again, or raise its limit (EMQX: max_conn_rate of the listener)",
  },
};

/** The broker does not speak the protocol version that we asked for (CONNACK 1, or 132 in MQTT 5). */
export function isUnsupportedVersion(error: unknown): boolean {
  return error instanceof ErrorWithReasonCode && (error.code === 1 || error.code === 132);
}

/** A CONNACK or DISCONNECT with this reason code, as a fault. */
export function reasonFault(reasonCode: number, url: string, cause?: unknown): Fault {
  const known: Reason = reasons[reasonCode] ?? {
    code: "broker_refused",
    disposition: "retry",
    message: `the broker ended the connection with reason code ${reasonCode}`,
    hint: "look the code up in the MQTT specification, and at the broker's own log",
  };
  const message = `${known.message} (${url})`;
  return new Fault({ ...known, message, layer: "broker", cause });
}

/** What mqtt.js reported as an error before the broker had accepted us, as a fault. */
export function connectFault(error: unknown, url: string): Fault {
  const fault = peerFault(error, url);
  if (fault === undefined) return noAnswerFault(url, "does not answer in MQTT");
  // A reset: with TLS on one side only, mosquitto closes before it has read everything.
  return fault.code === "connection_closed" ? closedFault(url) : fault;
}

/** What mqtt.js reported as an error of an accepted connection, as a fault. */
export function connectionFault(error: unknown, url: string): Fault {
  const fault = peerFault(error, url);
  if (fault === undefined) return lostFault(url, errorText(error));
  // A reset, of a connection that was good: nothing is wrong with its port or with TLS.
  return fault.code === "connection_closed" ? lostFault(url) : fault;
}

/**
 * Undefined for an error without a code: those are of the library itself, about bytes that are not MQTT
 * and about pings without answer. Errors of sockets and TLS have one.
 */
function peerFault(error: unknown, url: string): Fault | undefined {
  if (error instanceof Fault) return error;
  if (error instanceof ErrorWithReasonCode) return reasonFault(error.code, url, error);
  return errorCode(error) === undefined ? undefined : diagnose(error, { target: "broker", url });
}

export function silentFault(url: string, timeoutMs: number): Fault {
  return noAnswerFault(url, `gave no MQTT answer within ${timeoutMs / 1000} s`);
}

/** SUBSCRIBE had no answer: a broker that is stuck, or something in between that only knows CONNECT. */
export function unansweredSubscribeFault(url: string, timeoutMs: number): Fault {
  return new Fault({
    code: "broker_silent",
    layer: "broker",
    disposition: "retry",
    message: `${url} accepted us, but gave no answer to SUBSCRIBE within ${timeoutMs / 1000} s`,
    hint: "look at the broker's own log; restart it if other clients cannot subscribe either",
  });
}

/** The end came before an answer: what a TLS listener does to plaintext. */
export function closedFault(url: string): Fault {
  return noAnswerFault(url, "closed the connection without an MQTT answer");
}

function noAnswerFault(url: string, what: string): Fault {
  return new Fault({
    code: "broker_silent",
    layer: "broker",
    disposition: "retry",
    message: `${url} ${what}`,
    hint: "is this the port of an MQTT broker? TLS listeners need mqtts://, plain ones mqtt://",
  });
}

/** What is said of an accepted connection that ends without a reason. */
export const lostCode = "broker_connection_lost";

/** Of the end of an accepted connection. mosquitto 2.0 does not say so when another client took it over. */
export function lostFault(url: string, why?: string): Fault {
  return new Fault({
    code: lostCode,
    layer: "broker",
    disposition: "retry",
    message: `the connection to ${url} was lost${why === undefined ? "" : `: ${why}`}`,
    hint: 'the session is kept; when it goes on, look at the broker\'s own log: "already connected" there means that a second daemon uses our client id',
  });
}

/** Of accepted connections that end one after the other, while one beside them stands (contest.ts). */
export function clientIdContestedFault(url: string): Fault {
  return new Fault({
    code: "broker_client_id_contested",
    layer: "broker",
    disposition: "retry",
    message: `${url} goes on running, but ends our connection soon after each connect: as it looks, another client uses our client id, and each takes the other's place and part of the messages`,
    hint: 'give each daemon a client_id of its own in [[mqtt]], or stop the other one (a copied data directory brings its client id along); "already connected" in the broker\'s own log tells its address; when that is not there, a balancer, firewall or NAT in between may end our connections: look at its time limits',
  });
}

export function subscriptionFault(filter: string, url: string): Fault {
  return new Fault({
    code: "broker_subscription_refused",
    layer: "broker",
    disposition: "retry",
    message: `the broker refused the subscription to ${filter} (${url})`,
    hint: "allow it in the broker's ACL, or correct topics in [[mqtt]]",
  });
}

export function sessionLostFault(url: string): Fault {
  return new Fault({
    code: "broker_session_lost",
    layer: "broker",
    disposition: "drop",
    message: `${url} has forgotten our session: what was published while we were away is lost`,
    hint: "set `persistence true` in mosquitto.conf, so that it keeps sessions over a restart; one that is killed still loses what it has not saved: `autosave_interval 60` saves each minute",
  });
}

export function qos0Fault(topic: string, url: string): Fault {
  return new Fault({
    code: "broker_qos0",
    layer: "network_server",
    disposition: "drop",
    message: `${topic} arrives at QoS 0 from ${url}: such events are lost whenever this daemon or the network is down`,
    hint: "set `qos=1` in the section [integration.mqtt] of chirpstack.toml and restart ChirpStack",
  });
}
