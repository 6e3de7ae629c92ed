/** Awaiting what an MQTT client tells by events. */
import type { MqttClient } from "mqtt";

export async function connected(client: MqttClient): Promise<void> {
  await new Promise<void>((resolve) => {
    client.once("connect", () => {
      resolve();
    });
  });
}

/** The next error; where the broker refused the connection, `code` is its return code. */
export async function nextError(client: MqttClient): Promise<Error & { code?: unknown }> {
  return await new Promise((resolve) => {
    client.once("error", resolve);
  });
}
