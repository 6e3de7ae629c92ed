/**
 * One simulated device with its session on the network server. Each step is one transmission: it may be
 * lost (the frame counter goes on all the same, which is how losses are seen), may start a new session
 * (new device address, counter from 0), and brings the other events that come with an uplink.
 */
import type { ApplicationEvent, DeviceInfo, RxInfo, TxAckEvent, UplinkFrame } from "./event.ts";
import { channelFrequenciesHz, chooseSpreadingFactor, dataRateOf, marginDb, transmit } from "./radio.ts";
import type { Link, Reception } from "./radio.ts";
import type { Random } from "./random.ts";
import type { Sample, Sensor } from "./sensor.ts";

/** How often things happen, as probabilities per uplink. */
const odds = {
  /** Lost for other reasons than a weak signal: collisions, a busy gateway. */
  loss: 0.02,
  rejoin: 0.004,
  macOnly: 0.01,
  codecFailure: 0.005,
  retransmissionLog: 0.005,
  confirmedDownlink: 0.01,
  confirmedUplink: 0.05,
};
const uplinksPerStatus = 24;
/** GPS time runs ahead of UTC by the leap seconds since 1980. */
const gpsEpochUnixSeconds = 315_964_800n;
const leapSeconds = 18n;

/** `encoding`: what the server of the device's application publishes. */
export interface DeviceSetup {
  readonly info: DeviceInfo;
  readonly encoding: "json" | "protobuf";
  readonly intervalMs: number;
  readonly links: readonly Link[];
  readonly sensor: Sensor;
  readonly random: Random;
  readonly startMs: number;
}

export class Device {
  readonly info: DeviceInfo;
  readonly encoding: "json" | "protobuf";
  readonly #setup: DeviceSetup;
  readonly #random: Random;
  readonly #spreadingFactor: number;
  #devAddr: string;
  /** Of the next uplink. */
  #fCnt: number;
  #joining: boolean;
  #nextAtMs: number;
  #fCntDown = 0;
  #waitingForAck: TxAckEvent | undefined;

  constructor(setup: DeviceSetup) {
    this.info = setup.info;
    this.encoding = setup.encoding;
    this.#setup = setup;
    this.#random = setup.random;
    this.#spreadingFactor = chooseSpreadingFactor(setup.links);
    this.#devAddr = newDevAddr(setup.random);
    this.#fCnt = setup.random.integer(1, 9000);
    // Some are switched on just now.
    this.#joining = setup.random.chance(0.1);
    this.#nextAtMs = setup.startMs + setup.random.between(0, setup.intervalMs);
  }

  get nextAtMs(): number {
    return this.#nextAtMs;
  }

  /** Transmits once, at `nextAtMs`. */
  step(): ApplicationEvent[] {
    const random = this.#random;
    const atMs = this.#nextAtMs;
    this.#nextAtMs += this.#setup.intervalMs * random.between(0.9, 1.1);
    const sample = this.#setup.sensor.sample(atMs);
    const joined = this.#joining || random.chance(odds.rejoin);
    if (joined) this.#startSession();
    const fCnt = this.#fCnt;
    this.#fCnt += 1;
    const heard = random.chance(odds.loss) ? [] : transmit(random, this.#setup.links, this.#spreadingFactor);
    // A join is only told with the first uplink of its session.
    this.#joining = joined && heard.length === 0;
    if (heard.length === 0) return [];
    const codecFailed = random.chance(odds.codecFailure);
    const frame = this.#frame(atMs, fCnt, heard, sample, codecFailed);
    return [...(joined ? [this.#join(frame)] : []), frame, ...this.#companions(frame, codecFailed)];
  }

  #startSession(): void {
    this.#devAddr = newDevAddr(this.#random);
    this.#fCnt = 0;
    this.#fCntDown = 0;
    this.#waitingForAck = undefined;
  }

  #frame(
    atMs: number,
    fCnt: number,
    heard: readonly Reception[],
    sample: Sample,
    codecFailed: boolean,
  ): UplinkFrame {
    const random = this.#random;
    const macOnly = random.chance(odds.macOnly);
    const receivedNs = BigInt(Math.floor(atMs)) * 1_000_000n + BigInt(random.integer(0, 999_999));
    const channel = random.integer(0, channelFrequenciesHz.length - 1);
    const rxInfo = random.shuffled(heard).map((reception) => receive(random, reception, channel, receivedNs));
    return {
      kind: "up",
      deduplicationId: random.uuid(),
      timeNs: eventTime(rxInfo, receivedNs),
      device: this.info,
      devAddr: this.#devAddr,
      dr: dataRateOf(this.#spreadingFactor),
      spreadingFactor: this.#spreadingFactor,
      fCnt,
      fPort: macOnly ? 0 : sample.fPort,
      confirmed: random.chance(odds.confirmedUplink),
      data: macOnly ? new Uint8Array() : sample.data,
      object: macOnly || codecFailed ? undefined : sample.object,
      rxInfo,
      frequencyHz: channelFrequenciesHz[channel] ?? channelFrequenciesHz[0],
    };
  }

  #join(frame: UplinkFrame): ApplicationEvent {
    return {
      kind: "join",
      deduplicationId: this.#random.uuid(),
      timeNs: frame.timeNs,
      device: this.info,
      devAddr: this.#devAddr,
    };
  }

  /** What the network server says besides the uplink itself. */
  #companions(frame: UplinkFrame, codecFailed: boolean): ApplicationEvent[] {
    const random = this.#random;
    const { timeNs, device, deduplicationId } = frame;
    const about = { timeNs, device, deduplicationId };
    const events: ApplicationEvent[] = [];
    if (codecFailed && frame.fPort !== 0) {
      const description = "JS error: TypeError: cannot read property of undefined\n    at <eval>:12:1\n";
      events.push({ ...about, kind: "log", level: "ERROR", code: "UPLINK_CODEC", description });
    }
    if (random.chance(odds.retransmissionLog)) {
      const description = "Uplink was flagged as re-transmission";
      const code = "UPLINK_F_CNT_RETRANSMISSION";
      events.push({ ...about, kind: "log", level: "WARNING", code, description });
    }
    if (this.#waitingForAck !== undefined) {
      const { queueItemId, fCntDown } = this.#waitingForAck;
      this.#waitingForAck = undefined;
      events.push({ ...about, kind: "ack", queueItemId, fCntDown, acknowledged: true });
    }
    if (random.chance(odds.confirmedDownlink)) {
      this.#waitingForAck = this.#sendDownlink(frame);
      events.push(this.#waitingForAck);
    }
    if (frame.fCnt % uplinksPerStatus === 0) events.push(this.#status(frame));
    return events;
  }

  #sendDownlink(frame: UplinkFrame): TxAckEvent {
    const fCntDown = this.#fCntDown;
    this.#fCntDown += 1;
    return {
      kind: "txack",
      timeNs: frame.timeNs,
      device: this.info,
      downlinkId: this.#random.integer(1, 0x7fff_ffff),
      queueItemId: this.#random.uuid(),
      fCntDown,
      gatewayId: frame.rxInfo[0]?.gatewayId ?? "",
    };
  }

  #status(frame: UplinkFrame): ApplicationEvent {
    const bestSnrDb = Math.max(...frame.rxInfo.map((info) => info.snrDb));
    const mainsPowered = this.info.tags["power"] === "mains";
    return {
      kind: "status",
      deduplicationId: this.#random.uuid(),
      timeNs: frame.timeNs,
      device: this.info,
      // DevStatusAns has six bits with a sign for it.
      marginDb: Math.max(-32, Math.min(31, Math.round(marginDb(this.#spreadingFactor, bestSnrDb)))),
      externalPowerSource: mainsPowered,
      batteryPercent: mainsPowered ? 0 : Math.fround((this.#random.integer(120, 254) / 254) * 100),
    };
  }
}

function receive(random: Random, reception: Reception, channel: number, receivedNs: bigint): RxInfo {
  const { gateway, rssiDbm, snrDb } = reception;
  const hasGps = gateway.clock === "gps";
  const unixNs = gateway.clock === "none" ? undefined : receivedNs;
  return {
    gatewayId: gateway.gatewayId,
    uplinkId: random.uint32(),
    // A gateway states microseconds; its GNSS receiver's count is finer.
    gwTimeNs: unixNs === undefined ? undefined : unixNs - (unixNs % 1000n),
    nsTimeNs: receivedNs + BigInt(random.integer(8_000_000, 60_000_000)),
    sinceGpsEpochNs: hasGps ? receivedNs + (leapSeconds - gpsEpochUnixSeconds) * 1_000_000_000n : undefined,
    rssiDbm,
    snrDb,
    channel,
    rfChain: channel < 3 ? 1 : 0,
    location: hasGps ? gateway.location : undefined,
    context: random.bytes(4),
  };
}

/** As ChirpStack chooses it: GPS time, else a gateway's clock, else its own when it handles the uplink. */
function eventTime(rxInfo: readonly RxInfo[], receivedNs: bigint): bigint {
  if (rxInfo.some((info) => info.sinceGpsEpochNs !== undefined)) return receivedNs;
  const withClock = rxInfo.find((info) => info.gwTimeNs !== undefined);
  // It waits 200 ms for the same frame from other gateways before it handles the first.
  return withClock?.gwTimeNs ?? (rxInfo[0]?.nsTimeNs ?? receivedNs) + 200_000_000n;
}

function newDevAddr(random: Random): string {
  return `01${random.hex(3)}`;
}
