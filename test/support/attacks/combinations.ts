/**
 * Every option alone and every two options together, with what attacks may do under them.
 */
import { type Boundary, exceptions } from "../../../src/effects/exceptions.ts";
import { numberOf } from "../../../src/effects/kernel/capabilities.ts";
import { readKernelFile } from "../../../src/effects/kernel/kernelFiles.ts";
import { landlockAbi } from "../../../src/effects/landlock/ruleset.ts";
import type { Resources } from "../../../src/grpc/generated/nomad/driver.ts";
import type { Agent } from "../agent/agent.ts";
import { type Allocation, makeAllocation } from "../agent/allocation.ts";
import { volumeMount } from "../agent/requests.ts";
import { hasJournald } from "../host/journal.ts";
import { type AttackName, attackNames, attacks, type Target } from "./catalogue.ts";
import { attackedJournal } from "./journal.ts";
import { factors, type Level, permissive } from "./options.ts";
import { pairwise } from "./pairs.ts";
import { eventLogOf, makeTarget } from "./target.ts";
import { tryAttacks } from "./tryAttacks.ts";

export interface Combination {
  /** The levels that differ from the default. */
  readonly name: string;
  readonly levels: readonly Level[];
}

/**
 * The defaults, each other level alone, and every pair of levels.
 * @param host by default, levels for which this process lacks a capability are left out. With every capability, of
 *   the levels alone only those are tried that others lack
 */
export function combinations(host?: "every capability"): Combination[] {
  const fitting = fittingLevels(host);
  const sizes = fitting.map((levels) => levels.length);
  const isNeeded = (row: readonly number[]) =>
    host === undefined ||
    row.every((level, factor) => level === 0 || fitting[factor]?.[level]?.[1].needs !== undefined);
  const rows = [...alone(sizes).filter(isNeeded), ...pairwise(sizes)];
  return [...new Map(rows.map((row) => byName(row, fitting))).values()];
}

/**
 * Every two levels with the defaults of all other factors, so that few exceptions explain what works. Minor levels are
 * left out, and those for which this process lacks a capability.
 */
export function everyTwo(): Combination[] {
  const fitting = fittingLevels().map((levels) => levels.filter(([, { isMinor }]) => !isMinor));
  const single = alone(fitting.map((levels) => levels.length)).filter((row) =>
    row.some((level) => level > 0),
  );
  const rows = single.flatMap((a) => single.map((b) => a.map((level, factor) => level || (b[factor] ?? 0))));
  const isPair = (row: readonly number[]) => row.filter((level) => level > 0).length === 2;
  return [...new Map(rows.filter(isPair).map((row) => byName(row, fitting))).values()];
}

/** Combinations that one plugin can have. */
export interface Group {
  /** The first combination, and how many more there are. */
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly members: readonly Combination[];
}

export function groupsOf(all: readonly Combination[]): Group[] {
  const groups = Map.groupBy(all, (each) => JSON.stringify(pluginOptions(each)));
  return [...groups].map(([options, members]) => ({
    name: [members[0]?.name, ...(members.length > 1 ? [`${members.length - 1} more`] : [])].join(", and "),
    options: JSON.parse(options) as Group["options"],
    members,
  }));
}

type NamedLevel = readonly [name: string, level: Level];

function fittingLevels(host?: "every capability"): NamedLevel[][] {
  return Object.values(factors).map((levels) =>
    Object.entries(levels).filter(
      ([, { needs, abi = 0, journald }]) =>
        (needs === undefined || host !== undefined || hasCapability(needs)) &&
        (abi === 0 || landlockAbi() >= abi) &&
        (!journald || hasJournald()),
    ),
  );
}

/** Rows in which at most one factor has another level than its default. */
function alone(sizes: readonly number[]): number[][] {
  return sizes.flatMap((size, factor) =>
    Array.from({ length: size }, (_, level) => sizes.map((_, index) => (index === factor ? level : 0))),
  );
}

function byName(row: readonly number[], fitting: readonly NamedLevel[][]): [string, Combination] {
  const chosen = row.flatMap((level, factor) => {
    const entry = fitting[factor]?.[level];
    return level === 0 || entry === undefined ? [] : [entry];
  });
  const name = chosen.map(([each]) => each).join(" + ") || "the defaults";
  return [name, { name, levels: chosen.map(([, level]) => level) }];
}

/** What the exceptions of a combination open. */
export function openedBy({ levels }: Combination): Set<Boundary> {
  return new Set(
    levels.flatMap(({ exception }) => (exception === undefined ? [] : exceptions[exception].opens)),
  );
}

/** The plugin's options of a combination. */
function pluginOptions({ levels }: Combination): Readonly<Record<string, unknown>> {
  return merged([permissive, ...levels.map(({ plugin }) => plugin ?? {})]);
}

/** Options together: the elements of lists, and the last of other values. */
function merged(all: readonly Readonly<Record<string, unknown>>[]): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, value] of all.flatMap(Object.entries<unknown>)) {
    const before = result[name];
    result[name] = Array.isArray(before) && Array.isArray(value) ? [...before, ...value] : value;
  }
  return result;
}

/** Where the attacking task runs. */
export interface Place {
  /** The parent of the task's cgroup, below the mount. */
  readonly slice?: string;
  /** Default: 50 MHz, of which nothing comes where no controller counts them. */
  readonly resources?: (allocation: Allocation) => Resources;
}

/**
 * Tries all attacks under a combination.
 * @param agent a plugin with the combination's options
 * @param targetFor what the attacks of a user are aimed at
 * @returns the attacks that worked
 */
async function workingAttacks(
  agent: Agent,
  { levels }: Combination,
  { slice = ".", resources }: Place = {},
  targetFor: (user?: Allocation["user"]) => Promise<Target> = makeTarget,
): Promise<AttackName[]> {
  const made = await targetFor(levels.find((level) => level.user !== undefined)?.user);
  const target = { ...made, eventLog: eventLogOf(agent) };
  const allocation = makeAllocation({ slice, user: target.user });
  for (const { prepare } of levels) prepare?.(allocation);
  const job = merged(levels.map((level) => level.job?.(target) ?? {}));
  const { others, roots } = target.volumes;
  const mounts = [volumeMount(others, "local/others"), volumeMount(roots, "local/roots")];
  const differing = { mounts, ...(resources && { resources: resources(allocation) }) };
  const journal = levels.some(({ journald }) => journald) ? await attackedJournal() : undefined;
  const outcomes = await tryAttacks(agent, allocation, job, attackNames, target, differing, journal);
  return attackNames.filter((name) => outcomes.get(name) === "worked");
}

/**
 * Tries all attacks under the combinations of a group, two at a time.
 * @param agent a plugin with the group's options
 * @returns for each combination the attacks that worked
 */
export async function triedUnder(
  agent: Agent,
  { members }: Group,
  place?: Place,
): Promise<[Combination, AttackName[]][]> {
  const found: [Combination, AttackName[]][] = [];
  const left = members.values();
  const work = async () => {
    // A target takes as long to make as a task takes to run. Dynamic users must differ at the same time.
    const targets = new Map<string | undefined, Promise<Target>>();
    const targetFor = (user?: Allocation["user"]) => {
      const target = targets.get(user?.name) ?? makeTarget(user);
      targets.set(user?.name, target);
      return target;
    };
    for (const combination of left)
      found.push([combination, await workingAttacks(agent, combination, place, targetFor)]);
  };
  await Promise.all([work(), work()]);
  return found;
}

/** As {@link triedUnder}. @returns for each combination under which attacks worked that it does not explain, these */
export async function unexplainedUnder(
  agent: Agent,
  group: Group,
  place?: Place,
): Promise<Record<string, AttackName[]>> {
  const tried = await triedUnder(agent, group, place);
  const entries = tried.map(([each, worked]) => [each.name, unexplained(each, worked)] as const);
  return Object.fromEntries(entries.filter(([, attacks]) => attacks.length > 0));
}

/** Attacks that worked although no exception of the combination opens their boundary. */
export function unexplained(combination: Combination, worked: readonly AttackName[]): AttackName[] {
  const opened = openedBy(combination);
  return worked.filter((name) => !opened.has(attacks[name].boundary));
}

function hasCapability(name: string): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(readKernelFile("/proc/self/status") ?? "")?.[1] ?? "0";
  return (BigInt(`0x${mask}`) & (1n << BigInt(numberOf(name)))) !== 0n;
}
