/**
 * Assigns denials in audit records to their owners, the tasks. Pure.
 *
 * A record of a denial names the Landlock domain, but not the process. The first denial of a domain comes
 * with a record of the process that created the domain. A task's process creates its domain just before it
 * executes the command, so the driver recognizes the domain by this process. A pid counts only together with
 * the user and the time: while the task's process has the pid, no other process can have it.
 */
import type { AuditRecord, Caller } from "./auditRecord.ts";

/** An owner's process that has restricted itself, identified by its ids on the host. */
export interface OwnedProcess {
  readonly pid: number;
  readonly uid: number;
  /** A time before the start of the process, in milliseconds since the epoch. */
  readonly sinceMs: number;
}

/** A denial of an owner. */
export interface OwnedDenial {
  readonly blockers: readonly string[];
  readonly object: string | null;
  /** The request of a refused ioctl(2); null for other calls. */
  readonly request: number | null;
  readonly program: string | null;
  readonly pid: number | null;
  readonly timeMs: number;
  /** Null for a refused system call. */
  readonly domain: string | null;
}

export interface DenialSink<Owner> {
  denied(owner: Owner, denial: OwnedDenial): void;
  /** The kernel counted this many denials of the owner without a record. */
  lost(owner: Owner, count: number): void;
  /** Finds the owner of a process by the current state of the host; undefined if the owner is not certain. */
  locate(pid: number, uid: number, timeMs: number): Owner | undefined;
}

type DenialRecord = AuditRecord & { readonly kind: "denial" };
type FilteredRecord = AuditRecord & { readonly kind: "filtered" };

interface KnownProcess<Owner> extends OwnedProcess {
  readonly owner: Owner;
  /** Its end, after which another process may have its pid, in milliseconds since the epoch. */
  untilMs: number;
}

/** A domain that belongs to an owner. */
interface OwnedDomain<Owner> {
  readonly owner: Owner;
  /** Number of denials with a record; undefined if the domain may have had denials before this process listened. */
  counted: number | undefined;
}

/** A process in a domain, at a time. */
interface Member {
  readonly pid: number;
  readonly uid: number;
  readonly timeMs: number;
}

/**
 * A domain without a known owner: it belongs to another program, or to a task whose process has not been
 * reported yet.
 */
interface StrangeDomain {
  creator: Member | undefined;
  /** Who was denied something, while the record of the creator is missing. */
  member: Member | undefined;
  readonly held: OwnedDenial[];
  /** The domain's end, if it came before the owner was known. */
  ended: { readonly timeMs: number; readonly denials: number } | undefined;
}

/** Records of an event that wait for the record of their system call, which comes last. */
interface OpenEvent {
  readonly denials: DenialRecord[];
  filtered: readonly FilteredRecord[];
  /** Number of turns in which the event has waited. */
  turns: number;
}

/** A refused system call of a process without a known owner. */
interface UnclaimedCall {
  readonly caller: Caller;
  readonly denial: OwnedDenial;
}

/**
 * Bounds for records without a known owner. Any program may use Landlock and seccomp, as often as it likes.
 */
const maxStrangers = 256;
const maxHeld = 16_384;
const maxUnclaimed = 64;
/**
 * Milliseconds for which denials of a domain that has ended are held. A task may have ended before its start is
 * committed, and only then is its process known.
 */
const keepEndedMs = 10_000;
/**
 * Number of turns after which the record of a call is lost. A process may have to wait for a processor between
 * the denial and the end of its call.
 */
const maxTurns = 10;
/** Tolerance in milliseconds, because the clock of audit records is coarse. */
const clockSlackMs = 20;

export class DenialTracker<Owner> {
  readonly #sink: DenialSink<Owner>;
  readonly #processes = new Map<number, KnownProcess<Owner>>();
  readonly #domains = new Map<string, OwnedDomain<Owner>>();
  readonly #strange = new Map<string, StrangeDomain>();
  readonly #open = new Map<number, OpenEvent>();
  /** Number of denials that are held for all domains without a known owner. */
  #held = 0;
  /** When the kernel began to send records, in milliseconds since the epoch. */
  #listeningSinceMs = Number.POSITIVE_INFINITY;
  #unclaimed: readonly UnclaimedCall[] = [];

  constructor(sink: DenialSink<Owner>) {
    this.#sink = sink;
  }

  /** Whether an event waits for a further record. */
  get isWaiting(): boolean {
    return this.#open.size > 0;
  }

  /** To be called when the kernel begins to send records. @param sinceMs milliseconds since the epoch */
  begin(sinceMs: number): void {
    this.#listeningSinceMs = sinceMs;
  }

  /** Whether records of the owner's denials are to come still: the ends of its domains, which come last. */
  awaits(owner: Owner): boolean {
    return [...this.#domains.values()].some((each) => each.owner === owner && each.counted !== undefined);
  }

  /** Adds a process of the owner, and reports the process's earlier denials. */
  addProcess(owner: Owner, process: OwnedProcess): void {
    const known: KnownProcess<Owner> = { ...process, owner, untilMs: Number.POSITIVE_INFINITY };
    this.#processes.set(process.pid, known);
    for (const [domain, { creator, member }] of this.#strange) {
      if (creator && wasAt(known, creator)) this.#claim(domain, owner, 0);
      else if (!creator && member && wasAt(known, member))
        this.#claim(domain, owner, this.#countedBefore(owner));
    }
    const isOwn = ({ caller, denial }: UnclaimedCall) => calledBy(known, caller, denial.timeMs);
    const own = this.#unclaimed.filter(isOwn);
    this.#unclaimed = this.#unclaimed.filter((each) => !isOwn(each));
    for (const { denial } of own) this.#sink.denied(owner, denial);
    // The record of the call names the same process, and may be lost.
    for (const event of this.#open.values())
      event.filtered = event.filtered.filter((record) => !this.#filtered(record, record));
  }

  /** Adds a domain that is known from earlier events of the owner. */
  addDomain(owner: Owner, domain: string): void {
    this.#claim(domain, owner, undefined);
  }

  /**
   * The owner's processes have ended. Records of what was refused to them before may still follow.
   * @param atMs milliseconds since the epoch
   */
  endProcesses(owner: Owner, atMs: number): void {
    for (const process of this.#processes.values()) if (process.owner === owner) process.untilMs = atMs;
  }

  /** Forgets the owner's processes. Keeps the owner's domains, because records of them may still follow. */
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
        this.#wait(record);
        break;
      case "call":
        this.#finish(record.serial, record);
        break;
      case "domain":
        this.#created(record.domain, record);
        break;
      case "domainEnd":
        this.#ended(record.domain, record);
        break;
      case "enabled":
        break;
    }
  }

  /** Ends a turn of the reader (denialReader.ts). Finishes events whose call's record is lost. */
  turn(): void {
    for (const [serial, event] of this.#open)
      if (event.turns === maxTurns) this.#finish(serial, undefined);
      else event.turns += 1;
  }

  /**
   * Finishes the events of an owner whose processes have ended: if the record of a call has not come yet, it
   * is lost. Calls of other owners may be under way.
   */
  finishEvents(owner: Owner): void {
    for (const [serial, { denials }] of this.#open) {
      const isOwn = denials.some(({ domain }) => this.#domains.get(domain)?.owner === owner);
      if (isOwn) this.#finish(serial, undefined);
    }
  }

  #wait(record: FilteredRecord): void {
    const event = this.#eventOf(record.serial);
    event.filtered = [...event.filtered, record];
  }

  #eventOf(serial: number): OpenEvent {
    const known = this.#open.get(serial);
    if (known !== undefined) return known;
    const event: OpenEvent = { denials: [], filtered: [], turns: 0 };
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
      const unclaimed = { caller: caller ?? record, denial: filteredCall(record) };
      this.#unclaimed = [...this.#unclaimed, unclaimed].slice(-maxUnclaimed);
    }
  }

  #denied(record: DenialRecord, caller: Caller | undefined): void {
    const { domain, blockers, object, request, timeMs } = record;
    const { program = null, pid = null } = caller ?? {};
    const denial = { blockers, object, request, program, pid, timeMs, domain };
    const known = this.#domains.get(domain);
    if (known !== undefined) {
      this.#handOut(known, denial);
      return;
    }
    const stranger = this.#stranger(domain);
    this.#hold(stranger, denial);
    if (stranger.creator !== undefined || caller === undefined) return;
    // The record of the domain's creator is missing: the first denial came before this process listened, or
    // the record was lost.
    const owner = this.#sink.locate(caller.pid, caller.uid, timeMs);
    if (owner !== undefined) this.#claim(domain, owner, this.#countedBefore(owner));
    else stranger.member = { pid: caller.pid, uid: caller.uid, timeMs };
  }

  /**
   * Holds denials until their owner is known. There may be many: a task's process becomes known only after a
   * commit of the log.
   */
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

  #ownerOf({ timeMs }: FilteredRecord, caller: Caller): Owner | undefined {
    const { pid, uid, parent } = caller;
    const process =
      this.#processes.get(pid) ?? (parent === undefined ? undefined : this.#processes.get(parent));
    const isOwned = process !== undefined && calledBy(process, caller, timeMs);
    return isOwned ? process.owner : this.#sink.locate(pid, uid, timeMs);
  }

  /** @returns whether the owner is known */
  #filtered(record: FilteredRecord, caller: Caller): boolean {
    const owner = this.#ownerOf(record, caller);
    if (owner === undefined) return false;
    this.#sink.denied(owner, filteredCall(record));
    return true;
  }

  #created(domain: string, creator: Member): void {
    if (this.#domains.has(domain)) return;
    this.#stranger(domain).creator = creator;
    const process = this.#processes.get(creator.pid);
    if (process !== undefined && wasAt(process, creator)) this.#claim(domain, process.owner, 0);
  }

  #ended(domain: string, end: NonNullable<StrangeDomain["ended"]>): void {
    for (const [other, { ended }] of this.#strange)
      if (ended !== undefined && end.timeMs - ended.timeMs > keepEndedMs) this.#forget(other);
    const stranger = this.#strange.get(domain);
    if (stranger !== undefined) stranger.ended = end;
    const known = this.#domains.get(domain);
    if (known !== undefined) this.#close(domain, known, end.denials);
  }

  /** @param denials the kernel's count */
  #close(domain: string, { owner, counted }: OwnedDomain<Owner>, denials: number): void {
    this.#domains.delete(domain);
    if (counted !== undefined && denials > counted) this.#sink.lost(owner, denials - counted);
  }

  #claim(domain: string, owner: Owner, counted: 0 | undefined): void {
    if (this.#domains.has(domain)) return;
    const owned: OwnedDomain<Owner> = { owner, counted };
    this.#domains.set(domain, owned);
    const ended = this.#strange.get(domain)?.ended;
    for (const denial of this.#forget(domain)) this.#handOut(owned, denial);
    if (ended !== undefined) this.#close(domain, owned, ended.denials);
  }

  /**
   * How many denials of a domain were counted before it was claimed, besides those that are held, although the
   * record of its creator is missing: none if the owner began when this process listened.
   */
  #countedBefore(owner: Owner): 0 | undefined {
    const processes = [...this.#processes.values()].filter((each) => each.owner === owner);
    const isWhole =
      processes.length > 0 && processes.every(({ sinceMs }) => sinceMs >= this.#listeningSinceMs);
    return isWhole ? 0 : undefined;
  }

  #handOut(owned: OwnedDomain<Owner>, denial: OwnedDenial): void {
    if (owned.counted !== undefined) owned.counted += 1;
    this.#sink.denied(owned.owner, denial);
  }

  #stranger(domain: string): StrangeDomain {
    const known = this.#strange.get(domain);
    if (known !== undefined) return known;
    const stranger: StrangeDomain = { creator: undefined, member: undefined, held: [], ended: undefined };
    this.#strange.set(domain, stranger);
    const [oldest] = this.#strange.keys();
    if (this.#strange.size > maxStrangers && oldest !== undefined) this.#forget(oldest);
    return stranger;
  }
}

/** Whether an owner's process is the one that had these ids at that time. */
function wasAt<Owner>(process: KnownProcess<Owner>, { pid, uid, timeMs }: Member): boolean {
  const { sinceMs, untilMs } = process;
  return process.pid === pid && process.uid === uid && timeMs >= sinceMs - clockSlackMs && timeMs <= untilMs;
}

/** Whether an owner's process, or a child of it, is the one that made a call at that time. */
function calledBy<Owner>(
  process: KnownProcess<Owner>,
  { pid, uid, parent }: Caller,
  timeMs: number,
): boolean {
  const isFamily = process.pid === pid || process.pid === parent;
  return isFamily && wasAt(process, { pid: process.pid, uid, timeMs });
}

function filteredCall({ blocker, program, pid, timeMs }: FilteredRecord): OwnedDenial {
  return { blockers: [blocker], object: null, request: null, program, pid, timeMs, domain: null };
}
