/** What every device event of v4 begins with, and the relay that two of them may have. */
import type { DeviceInfo as WireDeviceInfo, UplinkRelayRxInfo } from "../proto/integration/integration_pb.js";
import type { DroppedParts } from "./dropped.ts";
import type { DeviceInfo, Relay } from "./event.ts";
import { toEui, toNs } from "./fields.ts";
import type { SecondsAndNanos } from "./rfc3339.ts";

/** The fields that device events share; `txack` and `log` have no `deduplicationId`. */
interface WireEvent {
  readonly deduplicationId?: string;
  readonly time?: SecondsAndNanos | undefined;
  readonly deviceInfo?: WireDeviceInfo | undefined;
}

interface Head {
  readonly device: DeviceInfo;
  readonly deduplicationId: string;
  readonly timeNs: bigint | undefined;
  readonly isIdentified: boolean;
}

/** `undefined` when the event does not say which device it is about. */
export function toHead(event: WireEvent, dropped: DroppedParts): Head | undefined {
  const device = event.deviceInfo === undefined ? undefined : toDevice(event.deviceInfo);
  if (device === undefined) return undefined;
  const deduplicationId = event.deduplicationId ?? "";
  const timeNs = toNs(event.time, "time", dropped);
  return { device, deduplicationId, timeNs, isIdentified: deduplicationId !== "" || timeNs !== undefined };
}

function toDevice(info: WireDeviceInfo): DeviceInfo | undefined {
  const devEui = toEui(info.devEui);
  if (devEui === undefined) return undefined;
  return {
    tenantId: info.tenantId,
    tenantName: info.tenantName,
    applicationId: info.applicationId,
    applicationName: info.applicationName,
    profileId: info.deviceProfileId,
    profileName: info.deviceProfileName,
    deviceName: info.deviceName,
    devEui,
    tags: new Map(Object.entries(info.tags)),
  };
}

/** A relay without its EUI, or with a figure that did not fit, is none: its figures would be wrong zeros. */
export function toRelay(relay: UplinkRelayRxInfo | undefined, dropped: DroppedParts): Relay | undefined {
  if (relay === undefined) return undefined;
  const devEui = toEui(relay.devEui);
  if (devEui === undefined) {
    dropped.addField(relay, "devEui", "relayRxInfo.devEui");
    return undefined;
  }
  if (dropped.hasField(relay, "rssi") || dropped.hasField(relay, "snr")) return undefined;
  return { devEui, rssiDbm: relay.rssi, snrDb: relay.snr };
}
