/** What a task's runs have used of its options, and the smallest options that cover all of it. Pure. */
import { isDeepStrictEqual } from "node:util";
import { parseEgress } from "../../effects/egress/egress.ts";
import { capabilitySet } from "../../effects/kernel/capabilities.ts";
import { portNames, portOptions } from "../../effects/network/ports.ts";
import { formatMode, modeOf } from "../../effects/unveil/unveil.ts";
import { portUses, reaches, sendsByUdp } from "./judge.ts";
import { refusedMoves } from "./moves.ts";
import type { ObservedRun, RecordedOptions } from "./observedRun.ts";
import { covers, type Entry, entriesIn, isBelow, listIn, type PathNeed, pathNeeds } from "./requirements.ts";

/** An entry of an option, as the newest run had it. */
export interface EntryUse {
  readonly option: string;
  readonly entry: string;
  /** Number of runs that used it. */
  readonly runs: number;
  /** When the last of them was seen; null if none used it. */
  readonly lastAt: number | null;
  /** What is enough of it; null if nothing is. */
  readonly smallest: string | null;
}

export interface TaskPolicy {
  readonly namespace: string;
  readonly job: string;
  readonly group: string;
  readonly task: string;
  readonly runs: number;
  /** Runs that may have used more than is known, by the reason. */
  readonly gaps: readonly { readonly why: string; readonly runs: number }[];
  /** Milliseconds since the epoch. */
  readonly from: number;
  readonly to: number;
  readonly entries: readonly EntryUse[];
  /** What runs used and the newest options no longer allow. */
  readonly unmet: readonly string[];
  /** The lists of options that cover all uses; only those that the newest run had. */
  readonly smallest: Readonly<Record<string, readonly (string | number)[]>>;
  /** Destinations of a task that no list of egress limits. */
  readonly connects: readonly string[];
  readonly memoryBytes: number | null;
  readonly processes: number | null;
  readonly candidate: CandidateFindings | null;
}

/** What the plugin's candidate would have refused, as it judged runs while they ran: by its newest options for the task. */
export interface CandidateFindings {
  /** The job file. */
  readonly file: string;
  readonly refused: readonly { readonly what: string; readonly runs: number; readonly lastAt: number }[];
  /** Number of further things that no event names, in all runs together. */
  readonly others: number;
  readonly unclear: readonly { readonly why: string; readonly runs: number }[];
}

/** The policies of the tasks of observed runs. */
export function policiesOf(runs: readonly ObservedRun[]): TaskPolicy[] {
  const tasks = Map.groupBy(runs, ({ namespace, job, group, task }) =>
    JSON.stringify([namespace, job, group, task]),
  );
  return [...tasks.values()].map(policyOf);
}

/** @param runs at least one */
function policyOf(runs: readonly ObservedRun[]): TaskPolicy {
  const newest = runs.reduce((best, run) => (run.begunAt > best.begunAt ? run : best));
  const { namespace, job, group, task, options } = newest;
  const paths = withMoves(pathUses(runs, options, newest), runs, newest);
  const others = [
    ...egressUses(runs, options),
    ...portEntryUses(runs, options),
    ...capabilityUses(runs, options),
  ];
  const entries = [...paths.entries, ...others];
  const gaps = Map.groupBy(
    runs.flatMap((run) => run.gaps),
    (why) => why,
  );
  return {
    ...{ namespace, job, group, task },
    runs: runs.length,
    gaps: [...gaps].map(([why, each]) => ({ why, runs: each.length })),
    from: Math.min(...runs.map(({ begunAt }) => begunAt)),
    to: Math.max(...runs.map(({ seenUntil }) => seenUntil)),
    entries,
    unmet: paths.unmet,
    smallest: smallestOf(options, entries),
    connects: Array.isArray(options.egress)
      ? []
      : [...new Set(runs.flatMap(({ uses }) => uses.connects))].toSorted(),
    memoryBytes: mostOf(runs.map((run) => run.memoryBytes)),
    processes: mostOf(runs.map((run) => run.processes)),
    candidate: findingsOf(runs),
  };
}

/** Null if the candidate has judged no run, or had nothing to say of any. */
function findingsOf(runs: readonly ObservedRun[]): CandidateFindings | null {
  const judged = runs.filter(({ wouldDeny }) => wouldDeny.file !== null);
  const newest = judged.toSorted((one, other) => other.seenUntil - one.seenUntil)[0]?.wouldDeny;
  if (newest === undefined) return null;
  const same = judged.filter(({ wouldDeny }) => wouldDeny.digest === newest.digest);
  const refused = Map.groupBy(
    same.flatMap(({ wouldDeny, seenUntil }) => wouldDeny.refused.map((what) => ({ what, seenUntil }))),
    ({ what }) => what,
  );
  const unclear = Map.groupBy(
    same.flatMap(({ wouldDeny }) => wouldDeny.unclear),
    (why) => why,
  );
  return {
    file: newest.file ?? "",
    refused: [...refused].map(([what, each]) => {
      return { what, runs: each.length, lastAt: Math.max(...each.map(({ seenUntil }) => seenUntil)) };
    }),
    others: same.reduce((sum, { wouldDeny }) => sum + wouldDeny.others, 0),
    unclear: [...unclear].map(([why, each]) => ({ why, runs: each.length })),
  };
}

/** How often and when an entry was used. */
class Tally {
  readonly #used = new Map<string, { runs: number; lastAt: number }>();

  /** @param used entries that a run used */
  add(used: Iterable<string>, at: number): void {
    for (const entry of new Set(used)) {
      const before = this.#used.get(entry) ?? { runs: 0, lastAt: 0 };
      this.#used.set(entry, { runs: before.runs + 1, lastAt: Math.max(before.lastAt, at) });
    }
  }

  of(entry: string): Pick<EntryUse, "runs" | "lastAt"> {
    return this.#used.get(entry) ?? { runs: 0, lastAt: null };
  }
}

interface PathUses {
  readonly entries: readonly EntryUse[];
  readonly unmet: readonly string[];
}

/** An entry from whose folder files may have been moved keeps its rights, if its smaller form would refuse that. */
function withMoves(
  { entries, unmet }: PathUses,
  runs: readonly ObservedRun[],
  { options, links }: ObservedRun,
): PathUses {
  const unveil = entries.flatMap(({ smallest }) => smallest ?? []);
  const sources = runs.flatMap((run) =>
    refusedMoves(run, { ...options, unveil }).moves.map(({ from }) => from),
  );
  const kept = new Set(
    entriesIn(options, links).flatMap((entry) =>
      sources.some((from) => covers(entry, from)) ? [entry.text] : [],
    ),
  );
  return {
    entries: entries.map((each) => (kept.has(each.entry) ? { ...each, smallest: each.entry } : each)),
    unmet,
  };
}

function pathUses(runs: readonly ObservedRun[], options: RecordedOptions, newest: ObservedRun): PathUses {
  const entries = entriesIn(options, newest.links);
  const letters = new Map<string, Set<string>>(entries.map(({ text }) => [text, new Set()]));
  const tally = new Tally();
  const unmet = new Set<string>();
  for (const run of runs) {
    const used = new Set<Entry>();
    for (const need of pathNeeds(run).needs) {
      const { given, missing } = giving(need, entries);
      for (const [entry, letter] of given) {
        used.add(entry);
        letters.get(entry.text)?.add(letter);
      }
      if (missing !== undefined) unmet.add(missing);
    }
    tally.add(
      [...used].map(({ text }) => text),
      run.seenUntil,
    );
  }
  return {
    entries: entries.map((entry) => ({
      ...{ option: "unveil", entry: entry.text },
      ...tally.of(entry.text),
      smallest: tally.of(entry.text).runs === 0 ? null : smallestEntry(entry, letters.get(entry.text)),
    })),
    unmet: [...unmet].toSorted(),
  };
}

/** The entries that give what a run needs, the nearest for each letter; and what none of them gives. */
function giving(
  { path, letters, isWhole }: PathNeed,
  entries: readonly Entry[],
): { readonly given: readonly (readonly [Entry, string])[]; readonly missing: string | undefined } {
  const around = entries
    .filter((entry) => covers(entry, path))
    .toSorted((one, other) => nearness(other, path) - nearness(one, path));
  if (letters === "") {
    const [there] = around.length > 0 || isWhole ? around : entries.filter((entry) => isBelow(entry, path));
    return { given: there ? [[there, ""]] : [], missing: there ? undefined : `:${path}` };
  }
  const given = [...letters].flatMap((letter) => {
    const entry = around.find((each) => each.letters.includes(letter));
    return entry ? [[entry, letter] as const] : [];
  });
  const missing = [...letters].filter((letter) => !given.some(([, each]) => each === letter)).join("");
  return { given, missing: missing === "" ? undefined : `${missing}:${path}` };
}

/** The length of what entry and path have in common. */
function nearness({ path, leadsTo = "" }: Entry, other: string): number {
  return covers({ path, leadsTo: undefined }, other) ? path.length : leadsTo.length;
}

function smallestEntry({ text, path, letters }: Entry, used: ReadonlySet<string> = new Set()): string {
  const needed = formatMode(modeOf([...used].join("")));
  // An entry has at least one letter, also if it is enough that the path is there.
  const least = letters.includes("r") ? "r" : letters.slice(0, 1);
  return needed === letters ? text : `${needed || least}:${path}`;
}

function egressUses(runs: readonly ObservedRun[], { egress }: RecordedOptions): EntryUse[] {
  if (!Array.isArray(egress)) return [];
  const entries = egress.map(String);
  const tally = new Tally();
  for (const { uses, names, seenUntil } of runs) {
    const addresses = new Map(
      names.map(({ name, addresses, former }) => [
        name,
        [...addresses, ...former.map(({ address }) => address)],
      ]),
    );
    const narrowest = entries.toSorted((one, other) => width(one) - width(other));
    const used = uses.connects.flatMap(
      (text) =>
        narrowest.find((entry) => reaches(text, { egress: [entry], egressDenied: [] }, addresses)) ?? [],
    );
    tally.add(used, seenUntil);
  }
  return entries.map((entry) => entryUse("egress", entry, tally));
}

/** How much an entry of egress allows, roughly: bits of addresses, and whether ports are limited. */
function width(entry: string): number {
  const { to, port } = parseEgress(entry);
  const bits = to.kind === "name" ? 1 : (to.range.family === 4 ? 32 : 128) - to.range.bits + 2;
  return bits * 2 + (port === null ? 1 : 0);
}

function portEntryUses(runs: readonly ObservedRun[], options: RecordedOptions): EntryUse[] {
  return portOptions.flatMap((option) => {
    const name = portNames[option];
    const [protocol, kind] = portUses[option];
    const tally = new Tally();
    for (const { uses, seenUntil } of runs) {
      const used = uses[kind].filter((text) => text.startsWith(protocol));
      const ports = used.map((text) => text.slice(protocol.length));
      tally.add(option === "bindUdp" && sendsByUdp(uses) ? [...ports, "0"] : ports, seenUntil);
    }
    return listIn(options, name).map((entry) => entryUse(name, entry, tally));
  });
}

function capabilityUses(runs: readonly ObservedRun[], options: RecordedOptions): EntryUse[] {
  const entries = listIn(options, "cap_add");
  const tally = new Tally();
  for (const { uses, seenUntil, seesCapabilities } of runs) {
    const used = capabilitySet(uses.capabilities.filter((name) => !/^\d/.test(name)));
    // Where the kernel does not show them, nobody may take one for unused.
    const of = (entry: string) => !seesCapabilities || (capabilitySet([entry]) & used) !== 0n;
    tally.add(entries.filter(of), seenUntil);
  }
  return entries.map((entry) => entryUse("cap_add", entry, tally));
}

function entryUse(option: string, entry: string, tally: Tally): EntryUse {
  const use = tally.of(entry);
  return { option, entry, ...use, smallest: use.runs === 0 ? null : entry };
}

/** The newest options with only what is enough of the lists. */
export function withSmallest(
  options: RecordedOptions,
  { smallest }: Pick<TaskPolicy, "smallest">,
): RecordedOptions {
  return { ...options, ...smallest };
}

function smallestOf(options: RecordedOptions, entries: readonly EntryUse[]): TaskPolicy["smallest"] {
  const lists = Map.groupBy(entries, ({ option }) => option);
  const isNumeric = (name: string) => portOptions.some((option) => portNames[option] === name);
  return Object.fromEntries(
    [...lists].flatMap(([option, uses]) => {
      const kept = uses.flatMap(({ smallest }) => smallest ?? []);
      const values = isNumeric(option) ? kept.map(Number) : [...new Set(kept)];
      return isDeepStrictEqual(values, options[option]) ? [] : [[option, values]];
    }),
  );
}

function mostOf(figures: readonly (number | null)[]): number | null {
  return figures.reduce<number | null>(
    (most, each) => (each === null ? most : Math.max(most ?? 0, each)),
    null,
  );
}
