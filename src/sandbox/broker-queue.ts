/**
 * Mends three ways in which aedes 1.2 loses queued QoS 1 messages when a persistent session comes and goes
 * under traffic. All three are in how it finds a message of the queue again:
 *
 * - A new connection counts packet identifiers from a random start, while messages that the old one has
 *   sent keep theirs: a PUBACK for the one removes the other. Here a session counts on where it was.
 * - A live message that the queue has already brought is skipped and "cleared" without having an identifier;
 *   that clears the first message that has none yet, which is another one. Here nothing is cleared then.
 * - A message that was acknowledged between being taken from the queue and being written is an error that
 *   ends the connection. Here it is written once more; the receiver knows it by its id.
 *
 * The methods are aedes's own and not part of its interface; test/unit/sandbox/broker.test.ts fails when
 * they change.
 */
import type { Aedes, Client } from "aedes";
import { assert } from "../lib/fault.ts";

interface QueuedPacket {
  readonly messageId?: number;
}

interface Queue {
  outgoingUpdate(client: Client, packet: QueuedPacket): Promise<unknown>;
  outgoingClearMessageId(client: Client, packet: QueuedPacket): Promise<unknown>;
}

/** Sessions whose counter is remembered; the oldest is forgotten first. */
const mostSessions = 10_000;

export function keepQueueWhole(broker: Aedes): void {
  const { persistence } = broker as unknown as { readonly persistence: Queue };
  assert(typeof persistence.outgoingUpdate === "function", "aedes has the queue that we know");
  const update = persistence.outgoingUpdate.bind(persistence);
  const clear = persistence.outgoingClearMessageId.bind(persistence);
  persistence.outgoingUpdate = async (client, packet) => await update(client, packet).catch(() => undefined);
  persistence.outgoingClearMessageId = async (client, packet) =>
    packet.messageId === undefined ? undefined : await clear(client, packet);
  continueIdentifiers(broker);
}

function continueIdentifiers(broker: Aedes): void {
  const latestById = new Map<string, { _nextId: number }>();
  broker.on("client", (client) => {
    // Without a session nothing is queued.
    if (client.clean) return;
    const counting = client as unknown as { _nextId: number };
    assert(typeof counting._nextId === "number", "aedes counts packet identifiers as we know it");
    const before = latestById.get(client.id);
    if (before !== undefined) counting._nextId = before._nextId;
    latestById.delete(client.id);
    latestById.set(client.id, counting);
    const [oldest] = latestById.keys();
    if (latestById.size > mostSessions && oldest !== undefined) latestById.delete(oldest);
  });
}
