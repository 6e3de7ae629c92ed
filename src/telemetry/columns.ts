/**
 * Collects the fields of one row. A value that is not known adds no field; a name that a tag has gets
 * a `_`, as a payload's would: a configured tag must not meet a field of the same name.
 */
import type { DeviceInfo, Relay } from "../chirpstack/event.ts";
import { freeName } from "./flatten.ts";
import type { Field } from "./point.ts";

export class Columns {
  readonly fields: Field[] = [];
  readonly #reserved: ReadonlySet<string>;

  constructor(reserved: ReadonlySet<string>) {
    this.#reserved = reserved;
  }

  integer(name: string, value: number | undefined): void {
    if (value !== undefined) this.fields.push({ name: this.#free(name), type: "integer", value });
  }

  float(name: string, value: number | undefined): void {
    if (value !== undefined) this.fields.push({ name: this.#free(name), type: "float", value });
  }

  /** "" is not known. */
  text(name: string, value: string): void {
    if (value !== "") this.fields.push({ name: this.#free(name), type: "string", value });
  }

  flag(name: string, value: boolean | undefined): void {
    if (value !== undefined) this.fields.push({ name: this.#free(name), type: "boolean", value });
  }

  /** Names are fields and not tags: a rename must not split a series. */
  names(of: Pick<DeviceInfo, "deviceName" | "applicationName" | "profileName" | "tenantName">): void {
    this.text("device_name", of.deviceName);
    this.text("application_name", of.applicationName);
    this.text("profile_name", of.profileName);
    this.text("tenant_name", of.tenantName);
  }

  /** How a relay heard the device, where one passed the frame on. */
  relay(relay: Relay | undefined): void {
    if (relay === undefined) return;
    this.text("relay_dev_eui", relay.devEui);
    this.integer("relay_rssi", relay.rssiDbm);
    this.float("relay_snr", relay.snrDb);
  }

  #free(name: string): string {
    return freeName(name, this.#reserved);
  }
}
