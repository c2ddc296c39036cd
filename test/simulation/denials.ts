/** The replacement of `DenialWatch`: the real tracker, with the records of the simulated kernel's audit. */
import { BehaviorSubject } from "rxjs";
import type { AuditRecord } from "../../src/effects/denials/auditRecord.ts";
import { type DenialSink, DenialTracker } from "../../src/effects/denials/denialTracker.ts";
import type { DenialWatchEvents } from "../../src/effects/denials/denialWatch.ts";
import type { Audit } from "./audit.ts";
import type { PluginProcess } from "./pluginProcess.ts";

/** As long as denialReader.ts waits. */
const pauseMs = 20;
const settleMs = 2_000;
/** As long as denialWatch.ts waits. */
const endsMs = 1_000;

/** The class, for the plugin process whose step runs. */
export function denialWatchOf(audit: Audit, current: () => PluginProcess) {
  return class<Owner> extends SimulatedDenialWatch<Owner> {
    constructor(sink: DenialSink<Owner>, events: DenialWatchEvents) {
      super(audit, current(), sink, events);
    }
  };
}

class SimulatedDenialWatch<Owner> {
  readonly tracker: DenialTracker<Owner>;
  readonly problems: BehaviorSubject<string | undefined>;
  readonly #audit: Audit;
  readonly #plugin: PluginProcess;
  readonly #onDropped: (records: number) => void;
  #queue: AuditRecord[] = [];
  #dropped = 0;
  #isWoken = false;
  #unlisten: (() => void) | undefined;

  constructor(audit: Audit, plugin: PluginProcess, sink: DenialSink<Owner>, { dropped }: DenialWatchEvents) {
    this.tracker = new DenialTracker(sink);
    this.problems = new BehaviorSubject(audit.isOn ? undefined : noDenials);
    this.#audit = audit;
    this.#plugin = plugin;
    this.#onDropped = dropped;
  }

  get problem(): string | undefined {
    return this.problems.value;
  }

  async configure(): Promise<void> {
    if (!this.#audit.isOn) return;
    if (this.#unlisten === undefined) this.tracker.begin(this.#plugin.scheduler.now);
    this.#unlisten ??= this.#audit.listen({
      life: this.#plugin.life,
      arrives: (record) => {
        this.#queue.push(record);
        this.#wake();
      },
      drops: () => {
        this.#dropped += 1;
        this.#wake();
      },
    });
  }

  handOut(): void {
    this.#read();
  }

  async settle(owner: Owner): Promise<boolean> {
    const { scheduler } = this.#plugin;
    const until = scheduler.now + settleMs;
    while (this.#audit.backlog > 0 && scheduler.now < until) await this.#pause(1);
    await this.#pause(1);
    this.#read();
    this.tracker.finishEvents(owner);
    return scheduler.now < until;
  }

  async finish(owner: Owner): Promise<boolean> {
    if (!this.#audit.isOn) return true;
    const { scheduler } = this.#plugin;
    const until = scheduler.now + endsMs;
    for (;;) {
      const isRead = await this.settle(owner);
      if (!this.tracker.awaits(owner) || scheduler.now >= until) return isRead;
      await this.#pause(5);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unlisten?.();
    this.#queue = [];
  }

  #pause(ms: number): Promise<void> {
    const { scheduler, life } = this.#plugin;
    return new Promise((resolve) => void scheduler.in(ms, life, "waits for records", resolve));
  }

  /** A signal tells the process that there are records. */
  #wake(): void {
    if (this.#isWoken) return;
    this.#isWoken = true;
    const { scheduler, life } = this.#plugin;
    scheduler.in(scheduler.latency(), life, "is told of audit records", () => this.#turn());
  }

  #turn(): void {
    const { scheduler, life } = this.#plugin;
    const isIdle = this.#queue.length === 0 && !this.tracker.isWaiting;
    this.handOut();
    this.tracker.turn();
    this.#isWoken = !isIdle;
    if (!isIdle) scheduler.in(pauseMs, life, "reads more audit records", () => this.#turn());
  }

  /** Records of domains have a queue of their own, which is read first; their ends are handled last. */
  #read(): void {
    const records = this.#queue.splice(0);
    const orderOf = ({ kind }: AuditRecord) => (kind === "domain" ? 0 : kind === "domainEnd" ? 2 : 1);
    for (const record of records.sort((one, other) => orderOf(one) - orderOf(other)))
      this.tracker.take(record);
    if (this.#dropped > 0) this.#onDropped(this.#dropped);
    this.#dropped = 0;
  }
}

const noDenials = "nothing is denied in this history";
