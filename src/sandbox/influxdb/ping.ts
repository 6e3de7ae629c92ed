/** /ping: who answers, in headers as InfluxDB 1 had them and in JSON. */
import { randomUUID } from "node:crypto";

import type { Answer } from "./answer.ts";

const version = "3.10.0";

export function pingAnswer(processId: string): Answer {
  const requestId = randomUUID();
  return {
    status: 200,
    headers: {
      "content-type": "application/json",
      "request-id": requestId,
      "x-influxdb-build": "Core",
      "x-influxdb-version": version,
      "x-request-id": requestId,
    },
    body: JSON.stringify({
      product_name: "InfluxDB 3 Core",
      version,
      revision: "stand-in",
      process_id: processId,
    }),
  };
}
