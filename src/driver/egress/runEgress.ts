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
import type { ConfinedCgroup } from "../../effects/egress/egressControl.ts";
import { destinationText, egressBlocker } from "../../effects/egress/egressDenial.ts";
import type { EgressRefusal } from "../../effects/egress/egressRefusal.ts";
import { jobServers } from "../../effects/egress/serverList.ts";
import type { EgressOfRun } from "../../effects/launch/prepare.ts";
import type { SandboxEgress } from "../../effects/launch/sandbox.ts";
import type { TaskRequest } from "../../effects/launch/taskRequest.ts";
import { nameServersIn, readHosts, rewriteHosts } from "../../effects/names/taskEtcFiles.ts";
import { launchNetwork, type TaskNetwork } from "../../effects/network/network.ts";
import { runFiles } from "../../effects/run/runFiles.ts";
import type { ResolvedName } from "../../machines/events/names.ts";
import { isAlive } from "../../machines/taskMachine.ts";
import type { RunDenials } from "../denials/runDenials.ts";
import type { RecordedTask } from "../history/recordedTask.ts";
import { requestedOptions } from "../history/startEvents.ts";
import type { PluginOptions } from "../options/pluginOptions.ts";
import type { RunGround, RunPart } from "../runPart.ts";
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
  /** The names as the events have them. */
  #recorded: readonly ResolvedName[] = [];
  #pauseMs = firstPauseMs;
  #timer: NodeJS.Timeout | undefined;
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
    this.#watch(names, dns?.servers ?? [], network);
    if (this.#watched.length > 0) {
      const tried = Promise.all(this.#watched.map((name) => name.tried));
      await Promise.race([tried, pause(maxStartMs, undefined, { ref: false })]);
    }
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
    this.#confined = control.confine(cgroup, this.#terms(), (refusal) => this.#refused(refusal));
  }

  async free(cgroup: string): Promise<void> {
    if (!isConfined(cgroup)) return;
    const { control } = await this.#services().egress.tools();
    control.free(cgroup);
  }

  begin(): void {
    void this.#resume().catch((thrown: unknown) =>
      this.#warn(DriverError.from(thrown, "EGRESS_UNAVAILABLE", "the rules are not in force")),
    );
  }

  /**
   * Of a task that this process has taken over, finds the rules that are in force, and looks its names up again.
   * @throws DriverError `EGRESS_UNAVAILABLE` if the rules are gone and cannot be made again
   */
  async #resume(): Promise<void> {
    const { request, sandbox, names } = this.#task.snapshot.context;
    if (request === null || sandbox === null || sandbox.egress === null) return;
    if (this.#confined === undefined) {
      const { egress, log } = this.#services();
      this.#lists = sandbox.egress;
      this.#recorded = names.map(({ name, addresses, problem }) => ({ name, addresses, problem }));
      const tools = await egress.tools();
      const { hosts, resolvConf } = runFiles(sandbox.runFolder);
      // The events may be late. The hosts file has what the earlier process has put in force last.
      const lines = readHosts(hosts);
      this.#before = this.#recorded.map(({ name, addresses, problem }) => {
        const written = tools.addressesIn(lines, name);
        return { name, addresses: [...new Set([...addresses, ...written])].toSorted(), problem };
      });
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
        this.#confined = tools.control.confine(cgroup, this.#terms(), onRefusal);
      }
      this.#watch(tools.names, nameServersIn(resolvConf), request.network);
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
    clearTimeout(this.#timer);
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

  #watch(book: NameBook, servers: readonly string[], network: Pick<TaskNetwork, "mode" | "path">): void {
    const { egress } = this.#services().options;
    const { allowed, denied: egressDenied = [] } = this.#lists ?? {};
    // Otherwise a job would say by its name server where the operator's entry leads.
    const ofOperator = new Set(namesIn(egress ?? []));
    const hasOwnNetwork = launchNetwork(network).kind !== "host";
    const { asked, problem } = jobServers(servers, { egress, egressDenied }, hasOwnNetwork);
    const onChange = () => this.#apply();
    this.#watched = namesIn(allowed ?? []).map((name) => {
      if (ofOperator.has(name)) return book.watch(name, [], onChange);
      return problem === undefined ? book.watch(name, asked, onChange) : nameNotAsked(name, problem);
    });
  }

  /** The names as they are known now. One that this process has not resolved keeps its addresses. */
  #now(): ResolvedName[] {
    return this.#watched.map(({ name, isResolved, addresses, problem }) => {
      const before = this.#before.find((each) => each.name === name);
      if (isResolved) return { name, addresses: [...addresses], problem };
      return {
        name,
        addresses: before?.addresses ?? [],
        problem: problem ?? before?.problem ?? "it is being looked up",
      };
    });
  }

  #terms(): EgressTerms {
    const { allowed = null, denied = [] } = this.#lists ?? {};
    const names = new Map((this.#inForce ?? this.#before).map(({ name, addresses }) => [name, addresses]));
    return { egress: allowed ?? undefined, egressDenied: denied, names };
  }

  /** Puts the addresses of names in force. During the start, nothing is in force yet. */
  #apply(): void {
    if (this.#confined === undefined || this.#watched.length === 0) return;
    const before = this.#inForce;
    // What the kernel has stays until this process knows better.
    if (before === undefined && !this.#watched.some(({ isResolved }) => isResolved)) return;
    this.#inForce = this.#now();
    try {
      if (before === undefined || !haveSameAddresses(before, this.#inForce))
        this.#confined.replace(this.#terms());
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
    if (isDeepStrictEqual(this.#inForce, this.#recorded)) return;
    this.#timer ??= setTimeout(() => void this.#record(), this.#pauseMs).unref();
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
    const { network } = request;
    const { extraHosts } = requestedOptions(request);
    const newest = this.#watched.map(({ name, isResolved, latest }) => ({
      name,
      addresses: isResolved ? latest : (this.#inForce?.find((each) => each.name === name)?.addresses ?? []),
    }));
    const names = { network: { ...network, self: network.self ?? undefined }, options: { extraHosts } };
    rewriteHosts(runFiles(sandbox.runFolder).hosts, names, newest);
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
