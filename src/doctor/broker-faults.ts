import { Fault } from "../lib/fault.ts";
import type { MqttConfig } from "../mqtt/config.ts";
import { shownSpan } from "./lines.ts";

/** What an examination of a broker can find that a daemon cannot, or need not, know of. */

type Words = Pick<Fault, "code" | "message"> & { readonly hint: string };

function ofBroker(words: Words): Fault {
  return new Fault({ ...words, layer: "broker", disposition: "retry" });
}

export function clientIdBound(stem: string): Fault {
  return ofBroker({
    code: "broker_client_id_bound",
    message:
      "the broker lets the running daemon in, and not this examination under a client id of its own: it binds the user to the daemon's",
    hint: `nothing is wrong with that; to have the rest examined too, allow this user client ids that begin with ${stem}`,
  });
}

export function clientIdReplaced(): Fault {
  return ofBroker({
    code: "broker_client_id_replaced",
    message:
      "the broker gives every client of this user the same client id: this examination has met a session that is not its own, and left it as it was",
    hint: "give Flightline a user or certificate that nobody else connects with: two clients would take the session from each other (mosquitto: use_username_as_clientid)",
  });
}

export function maximumQos(): Fault {
  return ofBroker({
    code: "broker_maximum_qos",
    message: "the broker allows QoS 0 only: what comes while this daemon or the network is down is lost",
    hint: "allow QoS 1 on this listener (mosquitto: max_qos), or connect to one that does",
  });
}

export function noSessions(): Fault {
  return ofBroker({
    code: "broker_no_sessions",
    message: "the broker keeps no session: what is published while this daemon is away is lost",
    hint: "let the broker keep sessions of clients that are away (MQTT 5: a session expiry above 0; MQTT 3.1.1: clean session off)",
  });
}

export function sessionShortened(keptMs: number, { sessionExpiryMs }: MqttConfig): Fault {
  return ofBroker({
    code: "broker_session_shortened",
    message: `the broker keeps the session for ${shownSpan(keptMs)} of the ${shownSpan(sessionExpiryMs)} asked for: when this daemon is away for longer, what was published meanwhile is lost`,
    hint: "raise the broker's maximum of the session expiry, or set session_expiry in [[mqtt]] to what it allows",
  });
}

export function filterUnavailable(
  what: "wildcards" | "shared subscriptions",
  filters: readonly string[],
): Fault {
  return ofBroker({
    code: "broker_filter_unavailable",
    message: `the broker has no ${what}, and ${filters.join(", ")} needs them`,
    hint: "name topics in [[mqtt]] that do without, or allow it in the broker",
  });
}

export function noRetain({ stateTopic }: MqttConfig): Fault {
  return ofBroker({
    code: "broker_no_retain",
    message: `the broker keeps no retained messages, and refuses whoever asks for one, as the daemon does on ${stateTopic}`,
    hint: 'set state_topic = "" in [[mqtt]], or allow retained messages in the broker',
  });
}
