/**
 * What the sandboxes of the simulated kernel deny, and its audit records of that (landlock(7), seccomp(2)). It
 * knows what was really denied to each task, which is what the checks compare the log with.
 */

import { callBlocker } from "../../src/effects/denial.ts";
import type { AuditRecord } from "../../src/effects/denials/auditRecord.ts";
import type { Life, Scheduler } from "./scheduler.ts";

/** A process that has restricted itself. */
export interface Restricted {
  /** Undefined for a program that has nothing to do with the driver. */
  readonly taskId: string | undefined;
  readonly pid: number;
  readonly uid: number;
  readonly parent: number;
}

/** What was denied to a task. */
export interface Denied {
  /** Numbers of denials by kind: what was denied, as the record says it. */
  readonly kinds: Map<string, number>;
  /** How many records had reached a plugin completely when the task's process ended. */
  readonly heard: Map<Life, number>;
  isOver: boolean;
}

/** Whoever gets the records: a plugin process. */
export interface Listener {
  readonly life: Life;
  /** Gets a record of the queue that the kernel keeps for it. */
  arrives(record: AuditRecord): void;
  /** The queue was full. */
  drops(): void;
}

interface Domain extends Restricted {
  readonly id: string;
  denials: number;
}

interface Batch {
  readonly records: readonly AuditRecord[];
  readonly denied: Denied | undefined;
}

export class Audit {
  /** Whether anything is denied in this history. */
  isOn = false;
  readonly #scheduler: Scheduler;
  /** Schedules a step of the kernel. */
  readonly #after: (ms: number, what: string, run: () => void) => void;
  readonly #denied = new Map<string, Denied>();
  readonly #domains = new Map<number, Domain>();
  readonly #listeners = new Set<Listener>();
  #backlog: Batch[] = [];
  #serial = 0;
  #domainIds = 0;

  constructor(scheduler: Scheduler, after: (ms: number, what: string, run: () => void) => void) {
    this.#scheduler = scheduler;
    this.#after = after;
  }

  /** Number of denials whose records the kernel has yet to send. */
  get backlog(): number {
    return this.#backlog.length;
  }

  /** What was denied to a task so far. */
  of(taskId: string): Denied {
    const known = this.#denied.get(taskId) ?? { kinds: new Map(), heard: new Map(), isOver: false };
    this.#denied.set(taskId, known);
    return known;
  }

  /** @returns a function that ends it */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  reboot(): void {
    this.#backlog = [];
    this.#domains.clear();
    this.#listeners.clear();
  }

  /** A process runs in a domain of its own. @param then schedules a step of the process, while it lives */
  restricts(process: Restricted, then: (ms: number, what: string, step: () => void) => void): void {
    if (!this.isOn) return;
    const { random } = this.#scheduler;
    const domain = { ...process, id: (0x1a0000 + ++this.#domainIds).toString(16), denials: 0 };
    this.#domains.set(process.pid, domain);
    if (random.chance(30)) return;
    let left = random.pick([1, 1, 3, 12, 120]);
    const deny = () => {
      const burst = Math.min(left, random.pick([1, 1, 10, 100]));
      for (let count = 0; count < burst; count++) this.#deny(domain);
      left -= burst;
      if (left > 0) then(random.below(600), "is denied more", deny);
    };
    then(random.below(random.chance(50) ? 3 : 1_500), "is denied something", deny);
  }

  /** A restricted process has ended. */
  ends(pid: number): void {
    const domain = this.#domains.get(pid);
    if (domain === undefined) return;
    this.#domains.delete(pid);
    if (domain.denials === 0) return;
    // The last reference to a domain is dropped later.
    this.#after(this.#scheduler.shortly(), "a domain ends", () =>
      this.#send({
        records: [{ kind: "domainEnd", ...this.#stamp(), domain: domain.id, denials: domain.denials }],
        denied: undefined,
      }),
    );
  }

  #deny(domain: Domain): void {
    const { random } = this.#scheduler;
    const { taskId, pid, uid, parent, id } = domain;
    const stamp = this.#stamp();
    const program = `/bin/${taskId ?? "foreign"}`;
    const caller = { ...stamp, pid, uid, parent, program };
    const call = { kind: "call", ...caller } as const;
    const denied = taskId === undefined ? undefined : this.of(taskId);
    const count = (kind: string) => denied?.kinds.set(kind, (denied.kinds.get(kind) ?? 0) + 1);
    if (random.chance(10)) {
      const blocker = callBlocker(random.pick(["mount", "ptrace"]));
      count(blocker);
      const records = [
        { kind: "filtered", ...caller, blocker } as const,
        ...(random.chance(50) ? [call] : []),
      ];
      this.#send({ records, denied });
      return;
    }
    const object = `/secret/${random.below(random.chance(95) ? 3 : 60)}`;
    count(object);
    domain.denials += 1;
    const records: AuditRecord[] = [
      { kind: "denial", ...stamp, domain: id, blockers: ["fs.read_file"], object, request: null },
    ];
    if (domain.denials === 1) records.push({ kind: "domain", ...stamp, domain: id, pid, uid });
    this.#send({ records: [...records, call], denied });
  }

  #stamp(): { readonly serial: number; readonly timeMs: number } {
    this.#serial += 1;
    return { serial: this.#serial, timeMs: Math.floor(this.#scheduler.now) };
  }

  /** A thread of the kernel sends the records, in their order. */
  #send(batch: Batch): void {
    this.#backlog.push(batch);
    this.#after(this.#scheduler.shortly(), "audit sends records", () => this.#sendNext());
  }

  #sendNext(): void {
    const { random } = this.#scheduler;
    const { records, denied } = this.#backlog.shift() as Batch;
    for (const listener of this.#listeners) {
      if (listener.life.dead) {
        this.#listeners.delete(listener);
        continue;
      }
      const dropped = random.chance(2) ? random.below(records.length) : undefined;
      for (const [index, record] of records.entries())
        if (index === dropped) listener.drops();
        else listener.arrives(record);
      if (dropped === undefined && denied?.isOver === false)
        denied.heard.set(listener.life, (denied.heard.get(listener.life) ?? 0) + 1);
    }
  }
}
