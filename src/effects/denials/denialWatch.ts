/** Watches for accesses that the kernel denies to sandboxed processes, as far as the host reports denials. */
import { BehaviorSubject, type Observable } from "rxjs";
import { messageOf } from "../../base/errors.ts";
import { abis } from "../landlock/rights.ts";
import type { AuditRecord } from "./auditRecord.ts";
import { auditProblem, auditStatus, isInHostNetwork } from "./auditSocket.ts";
import { DenialReader } from "./denialReader.ts";
import { type DenialSink, DenialTracker } from "./denialTracker.ts";
import { AuditLease, turnAuditOff } from "./hostAudit.ts";
import type { DenialMode } from "./options.ts";

/** The first Landlock ABI with which the kernel records denials. */
const recordingAbi = 7;

export class DenialWatch<Owner> implements Disposable {
  readonly tracker: DenialTracker<Owner>;
  readonly #onDropped: (records: number) => void;
  readonly #problem = new BehaviorSubject<string | undefined>(
    "the driver has not checked the host's audit yet",
  );
  #mode: DenialMode = "off";
  #reader: DenialReader | undefined;
  #lease: AuditLease | undefined;

  /** @param onDropped called with the number of records that the kernel dropped; their owners are unknown */
  constructor(sink: DenialSink<Owner>, onDropped: (records: number) => void) {
    this.tracker = new DenialTracker(sink);
    this.#onDropped = onDropped;
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
    this.#problem.next(await this.#begin(mode, landlockAbi).catch(auditProblem));
  }

  /** Hands out denials whose records have arrived, within the limits of one turn of the reader. */
  handOut(): void {
    this.#reader?.readNow();
  }

  /** Resolves once all earlier denials have been handed out, or after a fifth of a second. */
  async settle(): Promise<void> {
    await this.#reader?.settle().catch(() => undefined);
  }

  [Symbol.dispose](): void {
    this.#stop();
    this.#release();
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
        if (record.kind === "enabled")
          this.#problem.next(record.enabled ? undefined : this.#mode === "on" ? turnedOff : auditIsOff);
        else tracker.take(record);
      },
      turn: (now: "turn" | "end") => tracker.turn(now),
      get isWaiting() {
        return tracker.isWaiting;
      },
      dropped: this.#onDropped,
    };
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
