/** Watches for accesses that the kernel denies to sandboxed processes, as far as the host reports denials. */
import { setTimeout as delay } from "node:timers/promises";
import { BehaviorSubject, type Observable } from "rxjs";
import { messageOf } from "../../base/errors.ts";
import { abis } from "../landlock/rights.ts";
import type { AuditRecord } from "./auditRecord.ts";
import { auditProblem, auditStatus, isInHostNetwork } from "./auditSocket.ts";
import { DenialReader } from "./denialReader.ts";
import { type DenialSink, DenialTracker } from "./denialTracker.ts";
import { AuditLease, BacklogLease, turnAuditOff } from "./hostAudit.ts";
import type { DenialMode } from "./options.ts";

/** The first Landlock ABI with which the kernel records denials. */
const recordingAbi = 7;

/** What a {@link DenialWatch} tells besides denials. */
export interface DenialWatchEvents {
  /** The kernel has lost this many records; their owners are unknown. */
  readonly dropped: (records: number) => void;
  /** The kernel's queue cannot be made long enough. @param reason without its full stop */
  readonly queueStaysShort: (reason: string) => void;
}

/**
 * Maximum time to wait for the kernel's records of the ends of a task's domains. It writes them once nothing
 * refers to a domain any more, usually some hundredths of a second after the end of the last process.
 */
const endsMs = 1_000;

export class DenialWatch<Owner> implements AsyncDisposable {
  readonly tracker: DenialTracker<Owner>;
  readonly #events: DenialWatchEvents;
  readonly #problem = new BehaviorSubject<string | undefined>(
    "the driver has not checked the host's audit yet",
  );
  #mode: DenialMode = "off";
  #reader: DenialReader | undefined;
  #lease: AuditLease | undefined;
  #backlog: Promise<BacklogLease | undefined> | undefined;

  constructor(sink: DenialSink<Owner>, events: DenialWatchEvents) {
    this.tracker = new DenialTracker(sink);
    this.#events = events;
  }

  /** Why denials are not recorded now, as a sentence without its full stop; undefined if they are. */
  get problem(): string | undefined {
    return this.#problem.value;
  }

  /** Emits {@link problem} now and after every change. Does not complete. */
  get problems(): Observable<string | undefined> {
    return this.#problem;
  }

  /** Starts or stops the watch. Never rejects: a failure becomes the {@link problem}. */
  async configure(mode: DenialMode, landlockAbi: number): Promise<void> {
    this.#mode = mode;
    if (mode !== "on") this.#release();
    if (mode === "off") await this.#restoreBacklog();
    this.#tell(await this.#begin(mode, landlockAbi).catch(auditProblem));
    if (this.problem !== undefined) return;
    await this.#keepBacklog();
    await this.#reader?.lookForLost().catch(() => undefined);
  }

  /** Hands out denials whose records have arrived, within the limits of one turn of the reader. */
  handOut(): void {
    this.#reader?.readNow();
  }

  /**
   * To be called when the owner's processes have ended. Hands out all of their denials.
   * @returns whether all were read; false if that takes too long, or audit cannot be read
   */
  async settle(owner: Owner): Promise<boolean> {
    const isRead = (await this.#reader?.settle().catch(() => false)) ?? true;
    this.tracker.finishEvents(owner);
    return isRead;
  }

  /**
   * As {@link settle}, and waits also for the kernel's counts of the denials, which tell what was lost. To be
   * called before the owner is forgotten.
   */
  async finish(owner: Owner): Promise<boolean> {
    if (this.problem !== undefined && !this.tracker.awaits(owner)) return true;
    const until = performance.now() + endsMs;
    for (;;) {
      const isRead = await this.settle(owner);
      if (!this.tracker.awaits(owner) || performance.now() >= until) return isRead;
      await delay(5);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
    this.#release();
    await this.#restoreBacklog();
  }

  async #begin(mode: DenialMode, landlockAbi: number): Promise<string | undefined> {
    const problem = await findDenialProblem(mode, landlockAbi);
    if (mode === "off") await turnAuditOff();
    if (problem !== undefined && problem !== auditIsOff) {
      this.#stop();
      return problem;
    }
    this.#reader ??= new DenialReader(this.#sink());
    if (mode !== "on") return problem;
    try {
      this.#lease ??= await AuditLease.take();
      return undefined;
    } catch (thrown) {
      return `audit cannot be turned on (${messageOf(thrown)})`;
    }
  }

  #sink() {
    const { tracker } = this;
    return {
      take: (record: AuditRecord) => {
        if (record.kind !== "enabled") tracker.take(record);
        else if (record.enabled) {
          this.#tell(undefined);
          void this.#keepBacklog();
        } else this.#tell(this.#mode === "on" ? turnedOff : auditIsOff);
      },
      turn: () => tracker.turn(),
      get isWaiting() {
        return tracker.isWaiting;
      },
      dropped: this.#events.dropped,
    };
  }

  #tell(problem: string | undefined): void {
    if (problem === undefined && this.#problem.value !== undefined) this.tracker.begin(Date.now());
    this.#problem.next(problem);
  }

  /** Never rejects. */
  async #keepBacklog(): Promise<void> {
    this.#backlog ??= BacklogLease.take().catch((thrown) => {
      this.#events.queueStaysShort(messageOf(thrown));
      return undefined;
    });
    await this.#backlog;
  }

  /** Never rejects. */
  async #restoreBacklog(): Promise<void> {
    const backlog = this.#backlog;
    this.#backlog = undefined;
    await (await backlog)?.giveUp().catch(() => undefined);
  }

  #stop(): void {
    this.#reader?.[Symbol.dispose]();
    this.#reader = undefined;
  }

  #release(): void {
    this.#lease?.[Symbol.dispose]();
    this.#lease = undefined;
  }
}

/**
 * Why denials would not be recorded with this value of the option `denials`, as a sentence without its full
 * stop; undefined if they would be. Changes nothing.
 */
export async function findDenialProblem(mode: DenialMode, landlockAbi: number): Promise<string | undefined> {
  if (mode === "off") return 'the client has denials = "off"';
  if (landlockAbi < recordingAbi) {
    const since = abis[recordingAbi].linux;
    return `the kernel's Landlock (ABI ${landlockAbi}) does not record them: Linux ${since} does (ABI ${recordingAbi})`;
  }
  try {
    const { enabled } = await auditStatus();
    if (!isInHostNetwork())
      return "the driver is not in the host's network namespace, where audit can be read";
    return enabled === 0 && mode === "auto" ? auditIsOff : undefined;
  } catch (thrown) {
    return auditProblem(thrown);
  }
}

const auditIsOff = "the host's audit is off: denials = \"on\" in the client's configuration turns it on";
const turnedOff = "another process has turned the host's audit off";
