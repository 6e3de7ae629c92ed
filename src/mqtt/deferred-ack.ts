import type { IPublishPacket, MqttClient } from "mqtt";

/**
 * PUBACKs that wait for a commit.
 *
 * mqtt.js acknowledges when `handleMessage` calls back, and handles no other packet, not even PINGRESP,
 * until then: holding the callback for a group commit would stall the connection. So the callback is
 * answered at once with an error, which makes the library go on without a PUBACK, and the PUBACK is sent
 * later through `_sendPacket`. That method is private: the version of mqtt is pinned exactly, and
 * test/integration/mqtt-deferred-ack.test.ts holds it against a real broker.
 */
interface PrivateClient {
  _sendPacket(packet: { cmd: "puback"; messageId: number; reasonCode: number }): void;
}

const notYet = new Error("acknowledged after commit");

export interface PublishHandler {
  /** Called for each PUBLISH in order. `acknowledge` is undefined but for QoS 1. */
  publish(packet: IPublishPacket, acknowledge: (() => void) | undefined): void;
  /**
   * Resolves when the next packet may be read, or is undefined for "at once". While it is pending the
   * parser stands still, the socket's buffer fills, and TCP slows the broker down.
   */
  pressure(): Promise<void> | undefined;
}

export function deferAcks(client: MqttClient, handler: PublishHandler): void {
  const privateClient = client as unknown as PrivateClient;
  client.handleMessage = (packet, done) => {
    const { messageId, qos } = packet;
    // QoS 2 comes only from a subscription that somebody else made with our client id. The library has
    // answered PUBREC already; a PUBACK would be a protocol error that ends this connection and the next.
    const acknowledge =
      qos !== 1 || messageId === undefined
        ? undefined
        : () => {
            // Of a connection that has gone, the broker will deliver again: an ack would be queued for the
            // next one and acknowledge a stranger's packet id.
            if (client.connected) privateClient._sendPacket({ cmd: "puback", messageId, reasonCode: 0 });
          };
    handler.publish(packet, acknowledge);
    const answer = (): void => {
      done(qos === 1 ? notYet : undefined);
    };
    const pressure = handler.pressure();
    if (pressure === undefined) answer();
    else void pressure.then(answer);
  };
}
