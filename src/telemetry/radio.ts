/** Radio figures that follow from an uplink's modulation. Pure arithmetic. */
import type { Modulation } from "../chirpstack/event.ts";

/**
 * The SNR in dB at which LoRa can still be demodulated, by spreading factor: Semtech's SX127x and SX126x
 * data sheets, and the table by which ChirpStack's ADR decides.
 */
const requiredSnrs: ReadonlyMap<number, number> = new Map([
  [6, -5],
  [7, -7.5],
  [8, -10],
  [9, -12.5],
  [10, -15],
  [11, -17.5],
  [12, -20],
]);

/** Link margin in dB, as LinkCheckAns has it but not floored at 0; `undefined` where it has no meaning. */
export function marginDb(modulation: Modulation | undefined, snrDb: number | undefined): number | undefined {
  if (modulation?.kind !== "lora" || snrDb === undefined) return undefined;
  const required = requiredSnrs.get(modulation.spreadingFactor);
  // Tenths are what gateways report (quarters at best); the rounding takes 0.1 + 0.2 noise away.
  return required === undefined ? undefined : Math.round((snrDb - required) * 1000) / 1000;
}

/** MHDR 1, DevAddr 4, FCtrl 1, FCnt 2, MIC 4 (LoRaWAN 1.0.4 §4). FOpts are not in the event. */
const frameOverheadBytes = 12;
const preambleSymbols = 8;

/**
 * Time on air in ms of a LoRaWAN uplink with `dataBytes` of payload: a lower bound, because FOpts (0 to 15
 * bytes) are not reported. FPort is a byte of its own unless there is no payload; without one ChirpStack tells
 * 0, as for MAC commands on port 0, and then it does not count. Semtech SX126x data sheet §6.1.4, explicit header, CRC on:
 *
 *     Tsym = 2^SF / BW            DE = 1 where Tsym ≥ 16 ms (low data rate optimisation)
 *     n    = 8 + max(ceil((8·PL − 4·SF + 28 + 16) / (4·(SF − 2·DE)))·(CR + 4), 0)
 *     ToA  = (8 + 4.25 + n) · Tsym
 *
 * `undefined` for what the formula is not about: SF5 and SF6 (longer preamble), the long interleaver, FSK,
 * LR-FHSS. An unknown code rate is taken as 4/5, the only one that LoRaWAN uses below 1 GHz.
 */
export function airtimeMs(
  modulation: Modulation | undefined,
  dataBytes: number,
  fPort: number | undefined,
): number | undefined {
  if (modulation?.kind !== "lora" || modulation.bandwidthHz === 0) return undefined;
  const { spreadingFactor, bandwidthHz } = modulation;
  // CR + 4: of every four bits five to eight are sent.
  const codedBits = /^4\/([5-8])$/.exec(modulation.codeRate === "" ? "4/5" : modulation.codeRate)?.[1];
  if (spreadingFactor < 7 || spreadingFactor > 12 || codedBits === undefined) return undefined;
  const symbolMs = (2 ** spreadingFactor * 1000) / bandwidthHz;
  const bitsPerSymbol = spreadingFactor - (symbolMs >= 16 ? 2 : 0);
  const portBytes = dataBytes === 0 && (fPort ?? 0) === 0 ? 0 : 1;
  const bits = 8 * (frameOverheadBytes + portBytes + dataBytes) - 4 * spreadingFactor + 28 + 16;
  const payloadSymbols = 8 + Math.max(Math.ceil(bits / (4 * bitsPerSymbol)) * Number(codedBits), 0);
  return Math.round((preambleSymbols + 4.25 + payloadSymbols) * symbolMs * 1e6) / 1e6;
}

/** Frequencies, spreading factors and the like are never 0: it stands for "not said". */
export function positive(value: number): number | undefined {
  return value > 0 ? value : undefined;
}
