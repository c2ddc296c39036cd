/**
 * Keeps where a run may connect: its rules in the kernel, the addresses of the names in them, and the same
 * addresses in the run's hosts file.
 */
import { setTimeout as pause } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { DriverError, messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/hclog.ts";
import { isConfined } from "../../effects/egress/confinedCgroups.ts";
import { type EgressLists, type EgressTerms, egressLists, namesIn } from "../../effects/egress/egress.ts";
import type { EditedEgress, EgressEdit } from "../../effects/egress/egressChange.ts";
import type { ConfinedCgroup } from "../../effects/egress/egressControl.ts";
import { destinationText, egressBlocker } from "../../effects/egress/egressDenial.ts";
import type { EgressRefusal } from "../../effects/egress/egressRefusal.ts";
import { jobServers } from "../../effects/egress/serverList.ts";
import type { EgressOfRun } from "../../effects/launch/prepare.ts";
import type { SandboxEgress } from "../../effects/launch/sandbox.ts";
import type { TaskRequest } from "../../effects/launch/taskRequest.ts";
import {
  givenHosts,
  type HostNames,
  nameServersIn,
  type ResolvedHost,
  readHosts,
  rewriteHosts,
} from "../../effects/names/taskEtcFiles.ts";
import { launchNetwork, type TaskNetwork } from "../../effects/network/network.ts";
import { runFiles } from "../../effects/run/runFiles.ts";
import type { ResolvedName } from "../../machines/events/names.ts";
import { isAlive } from "../../machines/taskMachine.ts";
import type { RunDenials } from "../denials/runDenials.ts";
import type { ByWhom } from "../driverPort.ts";
import type { RecordedTask } from "../history/recordedTask.ts";
import { requestedOptions } from "../history/startEvents.ts";
import type { PluginOptions } from "../options/pluginOptions.ts";
import { retrying } from "../retry.ts";
import type { RunGround, RunPart } from "../runPart.ts";
import { notRunning } from "../taskErrors.ts";
import type { NameBook, WatchedName } from "./nameBook.ts";
import type { NodeEgress } from "./nodeEgress.ts";

/** Maximum time for which a start waits for the addresses of names, in milliseconds. */
const maxStartMs = 5_000;

/**
 * Time between two events about changed addresses, in milliseconds: it doubles from the first to the last,
 * because the addresses of some names change all the time.
 */
const firstPauseMs = 1_000;
const maxPauseMs = 600_000;

/** How long addresses stay in force that have gone from the hosts file: programs may just have read it. */
const readMs = 10_000;

/** Of what an operator's program says, maximum characters in the history. */
const maxCharacters = { by: 256, reason: 1_024 };

/** As the driver names itself in the history, where it takes a change back. */
const driverName = "exec2";

interface Services {
  readonly egress: NodeEgress;
  readonly log: Logger;
  readonly options: Pick<PluginOptions, "egress" | "egressDenied">;
}

type Ground = Pick<RunGround<Services>, "task" | "services" | "warn">;

export class RunEgress implements EgressOfRun, RunPart {
  readonly #task: RecordedTask;
  readonly #denials: RunDenials;
  readonly #services: Ground["services"];
  readonly #warn: Ground["warn"];
  #lists: EgressLists | undefined;
  #confined: ConfinedCgroup | undefined;
  #watched: readonly WatchedName[] = [];
  /** The names with the addresses that are in force; undefined if only the kernel knows them. */
  #inForce: readonly ResolvedName[] | undefined = [];
  /** The addresses of names that this process has not resolved. */
  #before: readonly ResolvedName[] = [];
  /** The addresses that the task's programs may have from its hosts file. */
  #readable: readonly ResolvedHost[] = [];
  /** Those that the file has, as far as this process has written it. */
  #written: readonly ResolvedHost[] = [];
  /** The names as the events have them. */
  #recorded: readonly ResolvedName[] = [];
  /** Name servers of the job. */
  #servers: readonly string[] = [];
  /** Resolves once the rules of the running task are known, or never will be, because the run is released. */
  readonly #begun = Promise.withResolvers<void>();
  /** The last change that was asked for: they are made one after the other. */
  #changing: Promise<unknown> = Promise.resolve();
  /** The names of a list that is about to be in force: all of them, and as the event has them. */
  #next: { readonly watched: readonly WatchedName[]; readonly names: readonly ResolvedName[] } | undefined;
  /** Number of changes that the rules in force contain. */
  #changes = 0;
  /** Why the last change is not in force; undefined if it is. */
  #refusal: DriverError | undefined;
  #pauseMs = firstPauseMs;
  #timer: NodeJS.Timeout | undefined;
  #narrowing: NodeJS.Timeout | undefined;
  #isReleased = false;

  constructor({ task, services, warn }: Ground, denials: RunDenials) {
    this.#task = task;
    this.#services = services;
    this.#warn = warn;
    this.#denials = denials;
  }

  /** Takes a task's settled options. @returns whether they limit where it connects */
  limits(task: TaskRequest["options"]): boolean {
    this.#lists = egressLists(task, this.#services().options);
    return this.#lists !== undefined;
  }

  /**
   * Looks up the names to which a task may connect, for some seconds at most. A name without an address does not keep
   * the task from starting.
   * Those of the job's own are asked for at the servers of its `dns` block, if it has any.
   */
  async resolve({ dns, network }: Pick<TaskRequest, "dns" | "network">): Promise<void> {
    const { egress, log } = this.#services();
    const { names } = await egress.tools();
    if (this.#isReleased) return;
    this.#servers = dns?.servers ?? [];
    this.#watched = this.#watch(names, this.#lists?.allowed ?? [], network);
    await Promise.race([tried(this.#watched), this.#begun.promise]);
    this.#recorded = this.#now();
    for (const { name, addresses, problem } of this.#recorded) {
      if (addresses.length > 0) continue;
      log.warn("a name in egress has no address yet", { task_id: this.#task.id, name, reason: problem });
    }
  }

  get resolved(): SandboxEgress | null {
    if (this.#lists === undefined) return null;
    const { allowed, denied } = this.#lists;
    return { allowed: allowed && [...allowed], denied: [...denied], names: [...this.#recorded] };
  }

  async confine(cgroup: string): Promise<void> {
    const { control } = await this.#services().egress.tools();
    this.#inForce = this.#recorded;
    this.#readable = this.#recorded;
    this.#confined = control.confine(cgroup, this.#terms(), (refusal) => this.#refused(refusal));
  }

  async free(cgroup: string): Promise<void> {
    if (!isConfined(cgroup)) return;
    const { control } = await this.#services().egress.tools();
    control.free(cgroup);
  }

  begin(): void {
    void this.#resume()
      .catch((thrown: unknown) =>
        this.#warn(DriverError.from(thrown, "EGRESS_UNAVAILABLE", "the rules are not in force")),
      )
      .finally(() => this.#begun.resolve());
  }

  /**
   * Of a task that this process has taken over, finds the rules that are in force, and looks its names up again.
   * @throws DriverError `EGRESS_UNAVAILABLE` if the rules are gone and cannot be made again
   */
  async #resume(): Promise<void> {
    const { request, sandbox, names, egress: history } = this.#task.snapshot.context;
    if (request === null || sandbox === null || sandbox.egress === null) return;
    if (this.#confined === undefined) {
      const { egress, log } = this.#services();
      this.#lists = sandbox.egress;
      this.#recorded = names.map(({ name, addresses, problem }) => ({ name, addresses, problem }));
      const tools = await egress.tools();
      const { hosts, resolvConf } = runFiles(sandbox.runFolder);
      // The events may be late. The hosts file has what the earlier process has put in force last.
      const lines = readHosts(hosts);
      const given = givenHosts(hostNamesOf(request));
      this.#readable = this.#recorded.map(({ name }) => {
        // Otherwise a job would say itself where a name leads.
        const others = given.filter((each) => each.name.toLowerCase() === name).map(({ address }) => address);
        return { name, addresses: tools.addressesIn(lines, name).filter((each) => !others.includes(each)) };
      });
      this.#before = this.#recorded.map((each) => this.#withReadable(each));
      this.#inForce = undefined;
      // The run had ended without a plugin, and is released by now.
      if (this.#isReleased) {
        tools.control.release(request.resources.cgroup);
        return;
      }
      const onRefusal = (refusal: EgressRefusal) => this.#refused(refusal);
      const { cgroup } = request.resources;
      this.#confined = tools.control.adopt(cgroup, onRefusal);
      if (this.#confined === undefined) {
        log.warn("the rules for a task's connections were gone, and are made again", {
          task_id: this.#task.id,
        });
        this.#inForce = this.#before;
        this.#confined = tools.control.confine(cgroup, this.#terms(), onRefusal, history.changes);
      }
      // Only the kernel has this list. It is what an operator wanted last, and may be narrower than the recorded one.
      if (this.#confined.changes > history.changes) {
        log.error(
          "a change of a task's egress is not in its history; it stays in force, its names are not looked up",
          {
            task_id: this.#task.id,
          },
        );
        return;
      }
      this.#servers = nameServersIn(resolvConf);
      this.#watched = this.#watch(tools.names, sandbox.egress.allowed ?? [], request.network);
      this.#changes = history.changes;
      // The earlier process has recorded a change, and did not live to put it in force.
      if (this.#confined.changes < history.changes) {
        this.#inForce = this.#before;
        const again = retrying(() => log, this.#task.id, "a change of a task's egress is not in force yet");
        const replace = () => this.#confined?.replace(this.#terms(), history.changes);
        await again(replace, () => this.#isReleased);
        if (this.#isReleased) return;
      }
    }
    this.#apply();
  }

  /**
   * Changes where the running task may connect. The change is in its history before it is in force, and what is in
   * the kernel is swapped by one write. Connections that exist go on.
   * @returns the list after the change. Without a difference, nothing is recorded
   * @throws DriverError `CONFIG_INVALID`; `UNSUPPORTED` for a task without a list; `TASK_NOT_RUNNING`;
   *   `EGRESS_UNAVAILABLE` if the kernel does not take the list: the one before stays; `STORE_FAILED` if the list is
   *   in force, but not yet in the log
   */
  change(edit: EgressEdit, byWhom: ByWhom): Promise<EditedEgress> {
    const { by, reason } = byWhom;
    const bounded = { by: by.slice(0, maxCharacters.by), reason: reason.slice(0, maxCharacters.reason) };
    const changed = this.#changing.then(() => this.#change(edit, bounded));
    this.#changing = changed.catch(() => undefined);
    return changed;
  }

  async #change(edit: EgressEdit, byWhom: ByWhom): Promise<EditedEgress> {
    const { editedEgress } = await import("../../effects/egress/egressChange.ts");
    const isOver = () => this.#isReleased || !isAlive(this.#task.state);
    if (!isOver()) await this.#begun.promise;
    if (isOver()) throw notRunning(this.#task, "its egress cannot change");
    const { egress, options } = this.#services();
    const { request, sandbox } = this.#task.snapshot.context;
    const present = sandbox?.egress?.allowed ?? undefined;
    if (request === null || sandbox?.egress == null || present === undefined) throw withoutList();
    const egressDenied = [...new Set([...options.egressDenied, ...sandbox.egress.denied])];
    const edited = editedEgress(present, edit, { egress: options.egress, egressDenied });
    if (edited.added.length + edited.removed.length === 0) return edited;
    // The host did not let this process take the rules over.
    if (this.#confined === undefined) await this.#resume();
    const { names } = await egress.tools();
    const watched = this.#watch(names, edited.allowed, request.network);
    try {
      await tried(watched);
      await this.#recordChange(edited, watched, byWhom);
    } finally {
      if (this.#watched !== watched) for (const name of watched) name[Symbol.dispose]();
    }
    const refusal = this.#refusal;
    if (refusal !== undefined) {
      const back = { allowed: present, added: edited.removed, removed: edited.added };
      const reason = "the kernel did not take the change before";
      await this.#recordChange(back, this.#watched, { by: driverName, reason });
      throw refusal;
    }
    await this.#task.stored().catch((thrown: unknown) => {
      const error = DriverError.from(thrown, "STORE_FAILED", "the event could not be stored");
      throw new DriverError(error.code, `the change is in force, but not in the log yet: ${error.summary}`, {
        failed: error.failed,
        hint: error.hint,
        cause: error,
      });
    });
    return edited;
  }

  /** Records a change. Then {@link limit} puts it in force. */
  async #recordChange(
    { allowed, added, removed }: EditedEgress,
    watched: readonly WatchedName[],
    byWhom: ByWhom,
  ): Promise<void> {
    const names = this.#now(watched);
    const lists = { allowed: [...allowed], added: [...added], removed: [...removed] };
    this.#next = { watched, names };
    try {
      const isRecorded =
        isAlive(this.#task.state) &&
        (await this.#task.record("egressChanged", { ...lists, names, ...byWhom }));
      if (!isRecorded) throw notRunning(this.#task, "its egress cannot change");
    } finally {
      this.#next = undefined;
    }
  }

  /** Puts the list in force that the task's history has. Never rejects. */
  async limit(): Promise<void> {
    const { sandbox, egress: history } = this.#task.snapshot.context;
    const next = this.#next;
    if (this.#confined === undefined || sandbox?.egress == null || next === undefined) return;
    const [lists, inForce, watched] = [this.#lists, this.#inForce, this.#watched];
    [this.#lists, this.#inForce] = [sandbox.egress, next.names];
    this.#refusal = undefined;
    try {
      this.#confined.replace(this.#terms(), history.changes);
    } catch (thrown) {
      [this.#lists, this.#inForce] = [lists, inForce];
      this.#refusal = DriverError.from(thrown, "EGRESS_UNAVAILABLE", "the change is not in force");
      return;
    }
    this.#changes = history.changes;
    this.#watched = next.watched;
    this.#recorded = next.names;
    if (watched !== next.watched) for (const name of watched) name[Symbol.dispose]();
    try {
      this.#writeHosts();
    } catch (thrown) {
      const fields = { task_id: this.#task.id, error: messageOf(thrown) };
      this.#services().log.error("a task's hosts file lacks the addresses of its new egress", fields);
    }
    this.#apply();
  }

  /** Hands out the refusals that the kernel has told. */
  async settle(): Promise<void> {
    if (this.#confined === undefined) return;
    const { control } = await this.#services().egress.tools();
    control.settle();
  }

  /**
   * Ends the rules: what is left of the run reaches nothing any more. To be called when the run is over. Never throws:
   * rules that the kernel does not end stay as long as the cgroup.
   */
  release(): void {
    this.#isReleased = true;
    this.#begun.resolve();
    clearTimeout(this.#timer);
    clearTimeout(this.#narrowing);
    for (const name of this.#watched) name[Symbol.dispose]();
    this.#watched = [];
    try {
      this.#confined?.[Symbol.dispose]();
    } catch (thrown) {
      const fields = { task_id: this.#task.id, error: messageOf(thrown) };
      this.#services().log.warn("the rules for a task's connections cannot be ended", fields);
    }
    this.#confined = undefined;
  }

  #watch(
    book: NameBook,
    allowed: readonly string[],
    network: Pick<TaskNetwork, "mode" | "path">,
  ): readonly WatchedName[] {
    const { egress } = this.#services().options;
    const { denied: egressDenied = [] } = this.#lists ?? {};
    // Otherwise a job would say by its name server where the operator's entry leads.
    const ofOperator = new Set(namesIn(egress ?? []));
    const hasOwnNetwork = launchNetwork(network).kind !== "host";
    const { asked, problem } = jobServers(this.#servers, { egress, egressDenied }, hasOwnNetwork);
    const onChange = () => this.#apply();
    return namesIn(allowed).map((name) => {
      if (ofOperator.has(name)) return book.watch(name, [], onChange);
      return problem === undefined ? book.watch(name, asked, onChange) : nameNotAsked(name, problem);
    });
  }

  /**
   * The names as they are known now. One that this process has not resolved keeps its addresses, and all keep those
   * that its programs may have from the hosts file.
   */
  #now(watched = this.#watched): ResolvedName[] {
    return watched.map(({ name, isResolved, addresses, problem }) => {
      const before = this.#before.find((each) => each.name === name);
      if (isResolved) return this.#withReadable({ name, addresses: [...addresses], problem });
      return {
        name,
        addresses: before?.addresses ?? [],
        problem: problem ?? before?.problem ?? "it is being looked up",
      };
    });
  }

  #withReadable({ name, addresses, problem }: ResolvedName): ResolvedName {
    const readable = this.#readable.find((each) => each.name === name)?.addresses ?? [];
    return { name, addresses: [...new Set([...addresses, ...readable])].toSorted(), problem };
  }

  #terms(): EgressTerms {
    const { allowed = null, denied = [] } = this.#lists ?? {};
    const names = new Map((this.#inForce ?? this.#before).map(({ name, addresses }) => [name, addresses]));
    return { egress: allowed ?? undefined, egressDenied: denied, names };
  }

  /** Puts the addresses of names in force. During the start, nothing is in force yet. */
  #apply(): void {
    if (this.#confined === undefined || this.#watched.length === 0) return;
    let before = this.#inForce;
    // What the kernel has stays until this process knows better.
    if (before === undefined && !this.#watched.some(({ isResolved }) => isResolved)) return;
    this.#inForce = this.#now();
    try {
      if (before === undefined || !haveSameAddresses(before, this.#inForce))
        this.#confined.replace(this.#terms(), this.#changes);
      before = this.#inForce;
      this.#writeHosts();
    } catch (thrown) {
      this.#inForce = before;
      const error = messageOf(thrown);
      this.#services().log.error("the new addresses of a name are not in force", {
        task_id: this.#task.id,
        error,
      });
      return;
    }
    this.#narrowing ??= setTimeout(() => this.#narrow(), readMs).unref();
    if (isDeepStrictEqual(this.#inForce, this.#recorded)) return;
    this.#timer ??= setTimeout(() => void this.#record(), this.#pauseMs).unref();
  }

  /** Takes addresses out of force that no program has from the hosts file any more. */
  #narrow(): void {
    this.#narrowing = undefined;
    if (isDeepStrictEqual(this.#readable, this.#written)) return;
    this.#readable = this.#written;
    this.#apply();
  }

  async #record(): Promise<void> {
    this.#timer = undefined;
    this.#pauseMs = Math.min(this.#pauseMs * 2, maxPauseMs);
    const inForce = this.#inForce ?? this.#recorded;
    const changed = inForce.filter((each) => !this.#recorded.some((known) => isDeepStrictEqual(known, each)));
    this.#recorded = inForce;
    if (changed.length === 0 || !isAlive(this.#task.state)) return;
    await this.#task.record("namesResolved", { names: changed }).catch(() => undefined);
  }

  /** Gives the task's programs the newest addresses. They may still use those of the answer before. */
  #writeHosts(): void {
    const { request, sandbox } = this.#task.snapshot.context;
    if (request === null || sandbox === null || sandbox.runFolder === "") return;
    const newest = this.#watched.map(({ name, isResolved, latest }) => ({
      name,
      addresses: isResolved
        ? [...latest]
        : (this.#inForce?.find((each) => each.name === name)?.addresses ?? []),
    }));
    this.#readable = newest.map(({ name, addresses }) => {
      const readable = this.#withReadable({ name, addresses, problem: null });
      return { name, addresses: readable.addresses };
    });
    rewriteHosts(runFiles(sandbox.runFolder).hosts, hostNamesOf(request), newest);
    this.#written = newest;
  }

  #refused({ kind, protocol, address, port, pid, program, timeMs, untold }: EgressRefusal): void {
    if (untold > 0) this.#denials.lost(untold);
    const isConnection = kind === "connection" && (protocol === "tcp" || protocol === "udp");
    this.#denials.refused({
      blockers: [egressBlocker(isConnection ? protocol : "socket")],
      object: isConnection && address !== null && port !== null ? destinationText(address, port) : protocol,
      ...{ program, pid, timeMs },
    });
  }
}

/** What the task's hosts file has besides the names of its egress. */
function hostNamesOf(request: NonNullable<RecordedTask["snapshot"]["context"]["request"]>): HostNames {
  const { network } = request;
  const { extraHosts } = requestedOptions(request);
  return { network: { ...network, self: network.self ?? undefined }, options: { extraHosts } };
}

/** Waits for the first look-ups, for some seconds at most. */
async function tried(names: readonly WatchedName[]): Promise<void> {
  if (names.length === 0) return;
  const all = Promise.all(names.map((name) => name.tried));
  await Promise.race([all, pause(maxStartMs, undefined, { ref: false })]);
}

function withoutList(): DriverError {
  return new DriverError("UNSUPPORTED", "the task was started without a list of destinations", {
    hint: "Its system call filter and the sockets that it has would let it pass one. Set egress in the job, which starts the task again",
  });
}

/** A name for which nobody is asked. @param problem why */
function nameNotAsked(name: string, problem: string): WatchedName {
  return {
    ...{ name, isResolved: false, latest: [], addresses: [], problem, tried: Promise.resolve() },
    [Symbol.dispose]: () => undefined,
  };
}

function haveSameAddresses(one: readonly ResolvedName[], other: readonly ResolvedName[]): boolean {
  const addresses = (names: readonly ResolvedName[]) => names.map((each) => each.addresses);
  return isDeepStrictEqual(addresses(one), addresses(other));
}
