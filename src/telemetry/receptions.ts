/** Which of an uplink's receptions count. */
import type { Reception } from "../chirpstack/event.ts";

/** Orders by snr, then by rssi; what is unknown comes last. Above 0: `a` is the better one. */
function compareQuality(a: Reception, b: Reception): number {
  const bySnr = compareKnown(a.snrDb, b.snrDb);
  return bySnr === 0 ? compareKnown(a.rssiDbm, b.rssiDbm) : bySnr;
}

function compareKnown(a: number | undefined, b: number | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return -1;
  return b === undefined || a > b ? 1 : -1;
}

/**
 * The best reception of each gateway, in the order in which the gateways appear. A gateway with several
 * antennas has several receptions of one frame; they would be one point of `uplink_rx` written twice.
 * Receptions that name no gateway are not among them.
 */
export function bestPerGateway(receptions: readonly Reception[]): readonly Reception[] {
  const best = new Map<string, Reception>();
  for (const reception of receptions) {
    if (reception.gatewayId === "") continue;
    const known = best.get(reception.gatewayId);
    if (known === undefined || compareQuality(reception, known) > 0) best.set(reception.gatewayId, reception);
  }
  return [...best.values()];
}

export function bestReception(receptions: readonly Reception[]): Reception | undefined {
  let best: Reception | undefined;
  for (const reception of receptions) {
    if (best === undefined || compareQuality(reception, best) > 0) best = reception;
  }
  return best;
}

/** The highest of the known values. */
export function highest(values: readonly (number | undefined)[]): number | undefined {
  let high: number | undefined;
  for (const value of values) {
    if (value !== undefined && (high === undefined || value > high)) high = value;
  }
  return high;
}

/** ms from the gateway's receiver to the network server, where both clocks were read. */
export function backhaulDelayMs(reception: Reception | undefined): number | undefined {
  if (reception?.nsTimeNs === undefined || reception.gwTimeNs === undefined) return undefined;
  return Number(reception.nsTimeNs - reception.gwTimeNs) / 1e6;
}
