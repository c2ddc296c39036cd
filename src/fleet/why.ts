/** Why allocations of a fleet failed: groups of equal failures, and what sets them apart from good allocations. Pure. */
import { formatCount } from "../units/counts.ts";
import { type FleetAllocation, jobKey, parentOf } from "./allocation.ts";
import { chanceText } from "./chanceText.ts";
import { factsOfAllocation, factsOfNode, factText, wherePhrase } from "./facts.ts";
import type { Failure } from "./failure.ts";
import { certainty, type Difference, type Ranking, rank } from "./ranking.ts";
import type { Fleet } from "./readFleet.ts";

export interface FleetWhy {
  /** How many allocations were looked at, by how they are. */
  readonly failed: number;
  readonly good: number;
  readonly other: number;
  /** Groups of equal failures, the largest first. */
  readonly groups: readonly FailureGroup[];
  /** What the answer lacks. */
  readonly notes: readonly string[];
}

export interface FailureGroup extends Pick<Failure, "kind" | "object"> {
  /** What Nomad's state says of the newest of them. */
  readonly text: string;
  readonly failed: number;
  /** The allocations that are compared: those that failed so, and the good ones of the same jobs. */
  readonly of: number;
  readonly jobs: readonly string[];
  /** Milliseconds since the epoch. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** Ids of some of the allocations, the newest first. */
  readonly examples: readonly string[];
  readonly named: readonly DescribedDifference[];
  /** What comes nearest to being named. */
  readonly others: readonly DescribedDifference[];
  /** The finding, without its full stop. */
  readonly sentence: string;
}

export interface DescribedDifference extends Difference {
  /** Such as `kernel 6.1.57`. */
  readonly what: string;
  /** The probability of {@link lnChance}; 0 if it is smaller than any number. */
  readonly chance: number;
}

const maxExamples = 3;

/** @param sinceMs what ended, or was last good, before this time is left out: milliseconds since the epoch */
export function explainFleet({ allocations, nodes, notes }: Fleet, sinceMs: number | undefined): FleetWhy {
  const within = allocations.filter((each) => sinceMs === undefined || each.lastMs >= sinceMs);
  const failed = within.filter(hasFailed);
  const good = Map.groupBy(
    within.filter(({ status }) => status === "good"),
    jobKey,
  );
  const factsByNode = new Map([...nodes].map(([id, node]) => [id, factsOfNode(node)]));
  const names = new Map(within.map(({ node, nodeName }) => [node, nodeName]));
  const nameOf = (node: string) => names.get(node) || node.slice(0, 8);
  const groups = [...Map.groupBy(failed, groupKey).values()].sort((one, other) => other.length - one.length);
  const compared = groups.map((group) => {
    const jobs = new Set(group.map(jobKey));
    return [...group, ...[...jobs].flatMap((job) => good.get(job) ?? [])];
  });
  const rankings = rank(compared.map((cases) => ({ cases: cases.map(caseOf), nodes: factsByNode })));
  return {
    ...{ failed: failed.length, good: within.filter(({ status }) => status === "good").length },
    other: within.filter(({ status }) => status === "other").length,
    groups: groups.map((group, index) =>
      describeGroup(group, compared[index]?.length ?? 0, rankings[index] as Ranking, nameOf),
    ),
    notes,
  };
}

type Failed = FleetAllocation & { readonly failure: Failure };

function hasFailed(each: FleetAllocation): each is Failed {
  return each.failure !== undefined;
}

/** Equal failures. Without an object, the text tells them apart, but not by its numbers. */
function groupKey({ failure: { kind, object, text } }: Failed): string {
  return JSON.stringify([kind, object ?? text.replaceAll(/[0-9a-f]{8,}|\d+(?:\.\d+)?/g, "…")]);
}

function caseOf(each: FleetAllocation) {
  return {
    ...{ failed: hasFailed(each), stratum: jobKey(each), node: each.node },
    ...{ createdMs: each.createdMs, facts: factsOfAllocation(each) },
  };
}

function describeGroup(
  group: readonly Failed[],
  of: number,
  { named, others }: Ranking,
  nameOf: (node: string) => string,
): FailureGroup {
  const newest = group.toSorted((one, other) => other.failure.atMs - one.failure.atMs);
  const [last, first] = [newest[0] as Failed, newest.at(-1) as Failed];
  const { kind, object, text } = last.failure;
  const describe = (difference: Difference) => ({
    ...difference,
    ...{ what: factText(difference, nameOf), chance: Math.exp(difference.lnChance) },
  });
  const counts = { failed: group.length, of };
  return {
    ...{ kind, object, text, ...counts },
    jobs: [...new Set(group.map(({ job }) => parentOf(job)))].sort(),
    ...{ firstMs: first.failure.atMs, lastMs: last.failure.atMs },
    examples: newest.slice(0, maxExamples).map(({ id }) => id),
    ...{ named: named.map(describe), others: others.map(describe) },
    sentence: sentenceOf(counts, { named, others }, nameOf),
  };
}

function sentenceOf(
  { failed, of }: Pick<FailureGroup, "failed" | "of">,
  { named, others }: Ranking,
  nameOf: (node: string) => string,
): string {
  const counted = `${formatCount(failed)} of ${formatCount(of)} allocations failed so`;
  if (failed === of) return `${counted}: no good one is there to compare them with`;
  const [first, ...more] = named;
  if (first !== undefined) {
    const share = first.otherFailed === 0 ? "all" : `${formatCount(first.failed)} of them`;
    const further = more.map(
      (each) =>
        `; among those that are alike in this, also ${wherePhrase(each, nameOf)} (${countsText(each)})`,
    );
    const same = first.same.slice(0, maxSame).map((fact) => factText(fact, nameOf));
    const also = same.length === 0 ? "" : `; the same ones have ${same.join(", ")}`;
    return `${counted}, ${share} ${wherePhrase(first, nameOf)} (${countsText(first)})${also}${further.join("")}`;
  }
  const [nearest] = others;
  const near =
    nearest === undefined
      ? ""
      : `; nearest comes ${wherePhrase(nearest, nameOf)} (${countsText(nearest)}), which may be chance (${chanceText(nearest.lnChance)})`;
  return `${counted}: nothing sets them apart with ${certainty * 100} % certainty${near}`;
}

const maxSame = 3;

/** `37 of 39 there; 0 of 373 elsewhere`. */
function countsText({ failed, cases, otherFailed, otherCases }: Difference): string {
  return `${formatCount(failed)} of ${formatCount(cases)} there; ${formatCount(otherFailed)} of ${formatCount(otherCases)} elsewhere`;
}
