/** The replacement of `DenialWatch`: the real tracker, with the records of the simulated kernel's audit. */
import { BehaviorSubject } from "rxjs";
import type { AuditRecord } from "../../src/effects/denials/auditRecord.ts";
import { type DenialSink, DenialTracker } from "../../src/effects/denials/denialTracker.ts";
import type { Audit } from "./audit.ts";
import type { PluginProcess } from "./pluginProcess.ts";

/** As long as denialReader.ts waits. */
const pauseMs = 20;
const settleMs = 200;

/** The class, for the plugin process whose step runs. */
export function denialWatchOf(audit: Audit, current: () => PluginProcess) {
  return class<Owner> extends SimulatedDenialWatch<Owner> {
    constructor(sink: DenialSink<Owner>, onDropped: (records: number) => void) {
      super(audit, current(), sink, onDropped);
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

  constructor(
    audit: Audit,
    plugin: PluginProcess,
    sink: DenialSink<Owner>,
    onDropped: (records: number) => void,
  ) {
    this.tracker = new DenialTracker(sink);
    this.problems = new BehaviorSubject(audit.isOn ? undefined : noDenials);
    this.#audit = audit;
    this.#plugin = plugin;
    this.#onDropped = onDropped;
  }

  get problem(): string | undefined {
    return this.problems.value;
  }

  async configure(): Promise<void> {
    if (!this.#audit.isOn) return;
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
    this.tracker.turn("turn");
  }

  async settle(): Promise<void> {
    const { scheduler, life } = this.#plugin;
    const until = scheduler.now + settleMs;
    const pause = () =>
      new Promise<void>((resolve) => void scheduler.in(1, life, "waits for records", resolve));
    while (this.#audit.backlog > 0 && scheduler.now < until) await pause();
    await pause();
    this.#read();
    this.tracker.turn("end");
  }

  [Symbol.dispose](): void {
    this.#unlisten?.();
    this.#queue = [];
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
