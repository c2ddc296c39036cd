/**
 * Finds out whose denials the records of audit tell of. Pure.
 *
 * A record of a denial names the Landlock domain, and nothing of the process. With a domain's first denial
 * comes a record of who has created it: that is how the driver knows its tasks' domains, since a task's process
 * creates its own just before it executes the command. A pid is believed only together with the user and the
 * time: while a task's process has it, nobody else can.
 */
import type { AuditRecord, Caller } from "./auditRecord.ts";

/** A process of an owner that has restricted itself, by its ids on the host. */
export interface OwnedProcess {
  readonly pid: number;
  readonly uid: number;
  /** The process began after this time, in milliseconds since the epoch. */
  readonly sinceMs: number;
}

/** A denial of an owner. */
export interface OwnedDenial {
  readonly blockers: readonly string[];
  readonly object: string | null;
  readonly program: string | null;
  readonly pid: number | null;
  readonly timeMs: number;
  /** Null for a refused system call. */
  readonly domain: string | null;
}

export interface DenialSink<Owner> {
  denied(owner: Owner, denial: OwnedDenial): void;
  /** The kernel counted that many more of the owner's denials than there were records of. */
  lost(owner: Owner, count: number): void;
  /** Whose process this is, by what the host shows now; undefined if that is not certain. */
  locate(pid: number, uid: number, timeMs: number): Owner | undefined;
}

type DenialRecord = AuditRecord & { readonly kind: "denial" };
type FilteredRecord = AuditRecord & { readonly kind: "filtered" };

/** A domain that belongs to an owner. */
interface OwnedDomain<Owner> {
  readonly owner: Owner;
  /** Denials that there were records of; undefined for one whose beginning was not seen. */
  counted: number | undefined;
}

/** A domain that is nobody's yet: a stranger's, or one of a task whose process has not been reported. */
interface StrangeDomain {
  creator: { readonly pid: number; readonly uid: number; readonly timeMs: number } | undefined;
  readonly held: OwnedDenial[];
}

/** What waits for the record of its system call, which comes last. */
interface OpenEvent {
  readonly denials: DenialRecord[];
  readonly filtered: FilteredRecord[];
  /** Whether it has waited for a whole turn. */
  old: boolean;
}

/** A refused system call of a process that nobody knows yet. */
interface UnclaimedCall {
  readonly caller: Caller;
  readonly denial: OwnedDenial;
}

/** Bounds of what is kept of strangers: they may use Landlock and seccomp as well, and as much as they like. */
const maxStrangers = 256;
const maxHeld = 16_384;
const maxUnclaimed = 64;
/** The clock of audit records is coarse. */
const clockSlackMs = 20;

export class DenialTracker<Owner> {
  readonly #sink: DenialSink<Owner>;
  readonly #processes = new Map<number, OwnedProcess & { readonly owner: Owner }>();
  readonly #domains = new Map<string, OwnedDomain<Owner>>();
  readonly #strange = new Map<string, StrangeDomain>();
  readonly #open = new Map<number, OpenEvent>();
  /** Denials that all strange domains hold. */
  #held = 0;
  #unclaimed: readonly UnclaimedCall[] = [];

  constructor(sink: DenialSink<Owner>) {
    this.#sink = sink;
  }

  /** Whether something waits for a further record. */
  get isWaiting(): boolean {
    return this.#open.size > 0;
  }

  /** A process of the owner is known from now on. What was recorded of it before is handed out. */
  addProcess(owner: Owner, process: OwnedProcess): void {
    this.#processes.set(process.pid, { ...process, owner });
    for (const [domain, { creator }] of this.#strange) {
      if (creator && isCreator(process, creator)) this.#claim(domain, owner, 0);
    }
    const isOwn = ({ caller, denial }: UnclaimedCall) =>
      isCreator(process, { ...caller, timeMs: denial.timeMs });
    const own = this.#unclaimed.filter(isOwn);
    this.#unclaimed = this.#unclaimed.filter((each) => !isOwn(each));
    for (const { denial } of own) this.#sink.denied(owner, denial);
  }

  /** A domain that earlier events of the owner name. */
  addDomain(owner: Owner, domain: string): void {
    this.#claim(domain, owner, undefined);
  }

  /** The owner's processes have ended, so their pids may be anybody's. Its domains may still have records to come. */
  removeProcesses(owner: Owner): void {
    for (const [pid, process] of this.#processes) if (process.owner === owner) this.#processes.delete(pid);
  }

  /** Forgets the owner. */
  remove(owner: Owner): void {
    this.removeProcesses(owner);
    for (const [domain, owned] of this.#domains) if (owned.owner === owner) this.#domains.delete(domain);
  }

  take(record: AuditRecord): void {
    switch (record.kind) {
      case "denial":
        this.#eventOf(record.serial).denials.push(record);
        break;
      case "filtered":
        if (this.#filtered(record, record)) break;
        this.#eventOf(record.serial).filtered.push(record);
        break;
      case "call":
        this.#finish(record.serial, record);
        break;
      case "domain":
        this.#created(record.domain, record);
        break;
      case "domainEnd":
        this.#ended(record.domain, record.denials);
        break;
      case "enabled":
        break;
    }
  }

  /** Nothing more can be read for now. What has waited since the turn before gets no record of its call. */
  turn(now: "turn" | "end" = "turn"): void {
    for (const [serial, event] of this.#open) {
      if (event.old || now === "end") this.#finish(serial, undefined);
      else event.old = true;
    }
  }

  #eventOf(serial: number): OpenEvent {
    const known = this.#open.get(serial);
    if (known !== undefined) return known;
    const event: OpenEvent = { denials: [], filtered: [], old: false };
    this.#open.set(serial, event);
    return event;
  }

  #finish(serial: number, caller: Caller | undefined): void {
    const event = this.#open.get(serial);
    if (event === undefined) return;
    this.#open.delete(serial);
    for (const record of event.denials) this.#denied(record, caller);
    for (const record of event.filtered) {
      if (this.#filtered(record, caller ?? record)) continue;
      const unclaimed = { caller: record, denial: filteredCall(record) };
      this.#unclaimed = [...this.#unclaimed, unclaimed].slice(-maxUnclaimed);
    }
  }

  #denied(record: DenialRecord, caller: Caller | undefined): void {
    const { domain, blockers, object, timeMs } = record;
    const { program = null, pid = null } = caller ?? {};
    const denial = { blockers, object, program, pid, timeMs, domain };
    const known = this.#domains.get(domain);
    if (known !== undefined) {
      this.#handOut(known, denial);
      return;
    }
    const stranger = this.#stranger(domain);
    this.#hold(stranger, denial);
    if (stranger.creator !== undefined || caller === undefined) return;
    // Its first denial was before this process listened, or its record was lost.
    const owner = this.#sink.locate(caller.pid, caller.uid, timeMs);
    if (owner !== undefined) this.#claim(domain, owner, undefined);
  }

  /** A task may be refused a great deal before its process is known: it takes a commit of the log. */
  #hold(stranger: StrangeDomain, denial: OwnedDenial): void {
    for (const [domain, { held }] of this.#strange) {
      if (this.#held < maxHeld || held === stranger.held) break;
      this.#forget(domain);
    }
    if (this.#held === maxHeld) return;
    stranger.held.push(denial);
    this.#held += 1;
  }

  #forget(domain: string): readonly OwnedDenial[] {
    const held = this.#strange.get(domain)?.held ?? [];
    this.#strange.delete(domain);
    this.#held -= held.length;
    return held;
  }

  /** @returns whether it is known whose it is */
  #filtered(record: FilteredRecord, { pid, uid, parent }: Caller): boolean {
    const process =
      this.#processes.get(pid) ?? (parent === undefined ? undefined : this.#processes.get(parent));
    const isOwned = process?.uid === uid && record.timeMs >= process.sinceMs - clockSlackMs;
    const owner = isOwned ? process.owner : this.#sink.locate(pid, uid, record.timeMs);
    if (owner === undefined) return false;
    this.#sink.denied(owner, filteredCall(record));
    return true;
  }

  #created(domain: string, creator: NonNullable<StrangeDomain["creator"]>): void {
    if (this.#domains.has(domain)) return;
    this.#stranger(domain).creator = creator;
    const process = this.#processes.get(creator.pid);
    if (process !== undefined && isCreator(process, creator)) this.#claim(domain, process.owner, 0);
  }

  #ended(domain: string, denials: number): void {
    this.#forget(domain);
    const known = this.#domains.get(domain);
    this.#domains.delete(domain);
    if (known?.counted === undefined || denials <= known.counted) return;
    this.#sink.lost(known.owner, denials - known.counted);
  }

  #claim(domain: string, owner: Owner, counted: 0 | undefined): void {
    if (this.#domains.has(domain)) return;
    const owned: OwnedDomain<Owner> = { owner, counted };
    this.#domains.set(domain, owned);
    for (const denial of this.#forget(domain)) this.#handOut(owned, denial);
  }

  #handOut(owned: OwnedDomain<Owner>, denial: OwnedDenial): void {
    if (owned.counted !== undefined) owned.counted += 1;
    this.#sink.denied(owned.owner, denial);
  }

  #stranger(domain: string): StrangeDomain {
    const known = this.#strange.get(domain);
    if (known !== undefined) return known;
    const stranger: StrangeDomain = { creator: undefined, held: [] };
    this.#strange.set(domain, stranger);
    const [oldest] = this.#strange.keys();
    if (this.#strange.size > maxStrangers && oldest !== undefined) this.#forget(oldest);
    return stranger;
  }
}

function isCreator(
  process: OwnedProcess,
  { pid, uid, timeMs }: { readonly pid: number; readonly uid: number; readonly timeMs: number },
): boolean {
  return process.pid === pid && process.uid === uid && timeMs >= process.sinceMs - clockSlackMs;
}

function filteredCall({ blocker, program, pid, timeMs }: FilteredRecord): OwnedDenial {
  return { blockers: [blocker], object: null, program, pid, timeMs, domain: null };
}
