/** How long the messages of one session waited for their PUBACK. */
import type { MqttTraffic } from "./observe-mqtt.ts";

/**
 * ms from PUBLISH to PUBACK, of the message with that index on. Throws when one was not acknowledged in its turn, or
 * came twice.
 */
export function pubackLatenciesMs({ delivered, acknowledged }: MqttTraffic, first = 0): number[] {
  return delivered.slice(first).map(({ atMs, messageId, dup }, index) => {
    const puback = acknowledged[first + index];
    if (puback === undefined || dup || puback.messageId !== messageId) {
      throw new Error(`PUBLISH ${messageId} was not acknowledged in its turn`);
    }
    return puback.atMs - atMs;
  });
}
