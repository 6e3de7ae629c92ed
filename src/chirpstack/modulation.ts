import { CodeRate } from "../proto/gw/gw_pb.js";
import type { Modulation as WireModulation } from "../proto/gw/gw_pb.js";
import type { Modulation } from "./event.ts";

/** LI: the long interleaver of the 2.4 GHz band. */
const codeRateTexts: Readonly<Partial<Record<CodeRate, string>>> = {
  [CodeRate.CR_4_5]: "4/5",
  [CodeRate.CR_4_6]: "4/6",
  [CodeRate.CR_4_7]: "4/7",
  [CodeRate.CR_4_8]: "4/8",
  [CodeRate.CR_3_8]: "3/8",
  [CodeRate.CR_2_6]: "2/6",
  [CodeRate.CR_1_4]: "1/4",
  [CodeRate.CR_1_6]: "1/6",
  [CodeRate.CR_5_6]: "5/6",
  [CodeRate.CR_LI_4_5]: "4/5LI",
  [CodeRate.CR_LI_4_6]: "4/6LI",
  [CodeRate.CR_LI_4_8]: "4/8LI",
};

export function toModulation(modulation: WireModulation | undefined): Modulation | undefined {
  const parameters = modulation?.parameters;
  if (parameters?.case === "lora") {
    const { bandwidth, spreadingFactor, codeRate, codeRateLegacy } = parameters.value;
    return {
      kind: "lora",
      bandwidthHz: bandwidth,
      spreadingFactor,
      codeRate: codeRateTexts[codeRate] ?? codeRateLegacy,
    };
  }
  if (parameters?.case === "fsk") return { kind: "fsk", bitrateBps: parameters.value.datarate };
  if (parameters?.case !== "lrFhss") return undefined;
  const { codeRate, codeRateLegacy } = parameters.value;
  return { kind: "lr_fhss", codeRate: codeRateTexts[codeRate] ?? codeRateLegacy };
}
