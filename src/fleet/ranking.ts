/**
 * What sets failed cases apart from good ones: values that failed cases have more often than chance alone explains. A
 * value is named only with a stated certainty, over all values that were looked at, and only if no better value
 * explains it. Pure.
 */
import { chanceOfNodes, lnChanceOf, lnChoose, randomFrom, type Stratum } from "./exactTest.ts";

/** A property that a case or its node has. */
export interface Fact {
  readonly attribute: string;
  /** Null if the node lacks the attribute, which other nodes have. */
  readonly value: string | null;
}

/** An allocation, as it is compared with others. */
export interface Case {
  readonly failed: boolean;
  /** Only cases of the same stratum, such as of one job, are compared. */
  readonly stratum: string;
  /** Id of its node. */
  readonly node: string;
  /** Milliseconds since the epoch. */
  readonly createdMs: number;
  /** What it has itself; its node's facts are in {@link Compared}. */
  readonly facts: readonly Fact[];
}

export interface Compared {
  readonly cases: readonly Case[];
  /** By the nodes' ids. The order of a node's facts is the order in which equal ones are named. */
  readonly nodes: ReadonlyMap<string, readonly Fact[]>;
}

/** A value, and how the cases that have it differ from the others. */
export interface Difference extends Fact {
  /** Ids of the nodes; only for the attribute `node`. */
  readonly nodes?: readonly string[];
  /** How many of the nodes have it; null for what allocations have themselves. */
  readonly onNodes: number | null;
  readonly ofNodes: number;
  readonly cases: number;
  readonly failed: number;
  readonly otherCases: number;
  readonly otherFailed: number;
  /**
   * Natural logarithm of an upper bound of the probability that chance alone makes such a difference anywhere among the
   * values that were looked at: it may be smaller than any number.
   */
  readonly lnChance: number;
  /** Other values that exactly the same cases have. */
  readonly same: readonly Fact[];
}

export interface Ranking {
  /** The differences that are named, the strongest first. Each holds among the cases that are alike in those before. */
  readonly named: readonly Difference[];
  /** What comes nearest to being named, the strongest first; empty if something is named. */
  readonly others: readonly Difference[];
}

/** The certainty with which a value that is named is not there by chance. */
export const certainty = 0.999;

/**
 * The certainty with which it is an attribute of nodes, and not one broken node that has it. Few nodes cannot show more:
 * three of thirty that share a value do so by chance in one of 4,060 cases.
 */
const nodeCertainty = 0.95;

const maxNamed = 3;
const maxOthers = 3;

/** Below this many standard deviations no exact test is made: it could not reach {@link certainty}. */
const leastDeviations = 2.5;

/** The attribute that names single nodes. */
export const nodeAttribute = "node";

/** Compares each group with the good ones. The number of values looked at counts over all groups. */
export function rank(groups: readonly Compared[]): Ranking[] {
  const all = groups.map((compared) => new Comparison(compared));
  const looked = all.reduce((sum, { candidates }) => sum + candidates.length, 0);
  return all.map((comparison) => comparison.ranking(looked));
}

interface Candidate extends Fact {
  /** Indexes of cases. */
  readonly members: Uint32Array;
  /** Ids of the nodes, for what nodes have. */
  readonly nodes: readonly string[] | undefined;
  readonly same: Fact[];
}

interface Found {
  readonly candidate: Candidate;
  /** Natural logarithm of the chance of this value alone: the smaller, the stronger. */
  readonly lnChance: number;
  /** The same over all values that were looked at. */
  readonly lnChanceOfAny: number;
}

class Comparison {
  readonly candidates: readonly Candidate[];
  readonly #cases: readonly Case[];
  readonly #nodes: readonly string[];
  readonly #failed: number;
  /** How many values look at a choice of several nodes. */
  readonly #ofNodes: number;

  constructor({ cases, nodes }: Compared) {
    this.#cases = cases;
    this.#nodes = [...new Set(cases.map(({ node }) => node))];
    this.#failed = cases.reduce((sum, { failed }) => sum + (failed ? 1 : 0), 0);
    this.candidates = this.#failed > 0 ? candidatesOf(cases, this.#nodes, nodes) : [];
    this.#ofNodes = this.candidates.filter((each) => this.#isShared(each)).length;
  }

  /** @param looked how many values all comparisons look at */
  ranking(looked: number): Ranking {
    const named: Found[] = [];
    let strata = this.#cases.map(({ stratum }) => stratum);
    const first = this.#found(strata, looked);
    for (let found = first; named.length < maxNamed; found = this.#found(strata, looked)) {
      const best = this.#best(found, strata);
      if (best === undefined) break;
      named.push(best);
      // What the value explains, another one needs not explain again.
      const members = new Set(best.candidate.members);
      strata = strata.map((stratum, index) => `${stratum}\0${members.has(index)}`);
    }
    const others = named.length > 0 ? [] : first.slice(0, maxOthers);
    return {
      named: named.map((each) => this.#difference(each)),
      others: others
        .map((each) => this.#difference(this.#withNodes(each, strata)))
        .sort((one, other) => one.lnChance - other.lnChance),
    };
  }

  /** The values that failed cases have more often, the strongest first. */
  #found(strata: readonly string[], looked: number): Found[] {
    const whole = this.#tally(strata);
    return this.candidates
      .flatMap((candidate) => {
        const counts = this.#counts(candidate.members, strata, whole);
        if (deviationsOf(counts) < leastDeviations) return [];
        const lnChance = lnChanceOf(counts);
        return [{ candidate, lnChance, lnChanceOfAny: lnChance + Math.log(looked) }];
      })
      .sort((one, other) => one.lnChance - other.lnChance);
  }

  /** The strongest that is certain enough. Of a value and single nodes that explain as much, it is the value. */
  #best(found: readonly Found[], strata: readonly string[]): Found | undefined {
    const certain = found.filter(({ lnChanceOfAny }) => lnChanceOfAny <= Math.log(1 - certainty));
    const isNode = ({ candidate }: Found) => candidate.attribute === nodeAttribute;
    const isShown = ({ candidate }: Found) =>
      !this.#isShared(candidate) || this.#chanceOfNodes(candidate, strata) <= 1 - nodeCertainty;
    const value = certain.find((each) => !isNode(each) && isShown(each));
    const nodes = this.#together(certain.filter(isNode), strata);
    if (value === undefined || nodes === undefined) return value ?? nodes;
    return nodes.lnChance < value.lnChance ? nodes : value;
  }

  #isShared({ nodes }: Candidate): boolean {
    return nodes !== undefined && nodes.length > 1;
  }

  /** What keeps a value from being named may be that it could as well be a few of its nodes. */
  #withNodes(found: Found, strata: readonly string[]): Found {
    const { candidate, lnChanceOfAny } = found;
    if (!this.#isShared(candidate)) return found;
    return {
      ...found,
      lnChanceOfAny: Math.max(lnChanceOfAny, Math.log(this.#chanceOfNodes(candidate, strata))),
    };
  }

  /** The chance that any choice of nodes that share something has as many failures as these. */
  #chanceOfNodes({ nodes = [] }: Candidate, strata: readonly string[]): number {
    const whole = this.#tally(strata);
    const excess = new Map(this.#nodes.map((node) => [node, 0]));
    for (const [index, { node, failed }] of this.#cases.entries()) {
      const { cases, failed: all } = whole.get(strata[index] as string) as Tally;
      excess.set(node, (excess.get(node) as number) + (failed ? 1 : 0) - all / cases);
    }
    const has = new Set(nodes);
    const chance = chanceOfNodes(
      this.#nodes.map((node) => excess.get(node) as number),
      this.#nodes.map((node) => has.has(node)),
    );
    return chance * this.#ofNodes;
  }

  /** Single nodes, each of which is certain, as one value. It is as certain as the most certain one. */
  #together(nodes: readonly Found[], strata: readonly string[]): Found | undefined {
    const [first] = nodes;
    if (first === undefined || nodes.length === 1) return first;
    const members = Uint32Array.from(nodes.flatMap(({ candidate }) => [...candidate.members]));
    const ids = nodes.flatMap(({ candidate }) => candidate.nodes ?? []);
    const candidate: Candidate = { ...first.candidate, value: null, members, nodes: ids, same: [] };
    // They were chosen for their failures, out of all choices of as many nodes.
    const lnChance =
      lnChanceOf(this.#counts(members, strata, this.#tally(strata))) +
      lnChoose(this.#nodes.length, ids.length);
    return { candidate, lnChance, lnChanceOfAny: first.lnChanceOfAny };
  }

  #difference({ candidate: { attribute, value, members, nodes, same }, lnChanceOfAny }: Found): Difference {
    const failed = members.reduce((sum, index) => sum + (this.#cases[index]?.failed ? 1 : 0), 0);
    return {
      ...{ attribute, value },
      ...(attribute === nodeAttribute && { nodes: nodes ?? [] }),
      ...{ onNodes: nodes?.length ?? null, ofNodes: this.#nodes.length, cases: members.length, failed },
      ...{ otherCases: this.#cases.length - members.length, otherFailed: this.#failed - failed },
      ...{ lnChance: Math.min(0, lnChanceOfAny), same },
    };
  }

  #tally(strata: readonly string[]): Map<string, Tally> {
    const tallies = new Map<string, Tally>();
    for (const [index, { failed }] of this.#cases.entries()) count(tallies, strata[index] as string, failed);
    return tallies;
  }

  #counts(members: Uint32Array, strata: readonly string[], whole: ReadonlyMap<string, Tally>): Stratum[] {
    const own = new Map<string, Tally>();
    for (const index of members) count(own, strata[index] as string, this.#cases[index]?.failed === true);
    return [...own].map(([stratum, { cases, failed }]) => {
      const all = whole.get(stratum) as Tally;
      return { cases: all.cases, failed: all.failed, members: cases, failedMembers: failed };
    });
  }
}

function count(tallies: Map<string, Tally>, stratum: string, failed: boolean): void {
  const tally = tallies.get(stratum) ?? { cases: 0, failed: 0 };
  tallies.set(stratum, tally);
  tally.cases += 1;
  if (failed) tally.failed += 1;
}

interface Tally {
  cases: number;
  failed: number;
}

/** How far the number of failed members is above the expected one, in standard deviations. */
function deviationsOf(strata: readonly Stratum[]): number {
  let [excess, variance] = [0, 0];
  for (const { cases, failed, members, failedMembers } of strata) {
    excess += failedMembers - (failed * members) / cases;
    if (cases > 1)
      variance += (failed * members * (cases - failed) * (cases - members)) / (cases * cases * (cases - 1));
  }
  return variance === 0 ? 0 : excess / Math.sqrt(variance);
}

/** The values that are looked at: each set of cases once. */
function candidatesOf(
  cases: readonly Case[],
  nodes: readonly string[],
  factsOfNodes: Compared["nodes"],
): Candidate[] {
  const indexes = [...cases.keys()];
  const casesOf = Map.groupBy(indexes, (index) => (cases[index] as Case).node);
  const on = (ids: readonly string[]) => Uint32Array.from(ids.flatMap((node) => casesOf.get(node) ?? []));
  const random = randomFrom(1);
  const marks = [0, 1].map(() => Uint32Array.from(indexes, () => random() * 2 ** 32));
  const distinct = new Map<string, Candidate>();
  const add = (fact: Fact, members: Uint32Array, ids?: readonly string[]) => {
    if (members.length === 0 || members.length === cases.length) return;
    const sums = marks.map((each) => members.reduce((sum, index) => sum ^ (each[index] as number), 0));
    const key = `${members.length} ${sums.join(" ")}`;
    const equal = distinct.get(key);
    if (equal === undefined) distinct.set(key, { ...fact, members, nodes: ids, same: [] });
    else equal.same.push(fact);
  };
  for (const [fact, members] of valuesOf(indexes, (index) => (cases[index] as Case).facts))
    add(fact, Uint32Array.from(members));
  for (const [fact, ids] of valuesOf(nodes, (node) => factsOfNodes.get(node) ?? []))
    if (ids.length < nodes.length) add(fact, on(ids), ids);
  for (const node of nodes) add({ attribute: nodeAttribute, value: node }, on([node]), [node]);
  for (const time of timesOf(cases)) {
    const since = indexes.filter((index) => (cases[index] as Case).createdMs >= time);
    add({ attribute: createdSince, value: String(time) }, Uint32Array.from(since));
  }
  return [...distinct.values()].map(namedByNode);
}

/** What only one node has is that node's. */
function namedByNode(candidate: Candidate): Candidate {
  const { attribute, value, nodes, same } = candidate;
  if (attribute === nodeAttribute || nodes?.length !== 1) return candidate;
  const node = same.find((fact) => fact.attribute === nodeAttribute);
  if (node === undefined) return candidate;
  return { ...candidate, ...node, same: [{ attribute, value }, ...same.filter((fact) => fact !== node)] };
}

/** Each value of each attribute, with those that have it; and for an attribute that some lack, those. */
function valuesOf<T>(all: readonly T[], factsOf: (one: T) => readonly Fact[]): Map<Fact, T[]> {
  const byAttribute = new Map<string, Map<string | null, T[]>>();
  for (const one of all) {
    for (const { attribute, value } of factsOf(one)) {
      const values = byAttribute.get(attribute) ?? new Map<string | null, T[]>();
      byAttribute.set(attribute, values);
      const having = values.get(value) ?? [];
      values.set(value, having);
      having.push(one);
    }
  }
  const found = new Map<Fact, T[]>();
  for (const [attribute, values] of byAttribute) {
    for (const [value, having] of values) found.set({ attribute, value }, having);
    const count = [...values.values()].reduce((sum, having) => sum + having.length, 0);
    if (count === all.length || values.has(null)) continue;
    const having = new Set([...values.values()].flat());
    found.set(
      { attribute, value: null },
      all.filter((one) => !having.has(one)),
    );
  }
  return found;
}

/** The attribute that says from which time on cases were created; its values are milliseconds since the epoch. */
export const createdSince = "created since";

const timeCuts = 8;

/** Times that divide the cases into equal parts. */
function timesOf(cases: readonly Case[]): number[] {
  const sorted = cases.map(({ createdMs }) => createdMs).sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.floor((sorted.length * part) / timeCuts)] ?? 0;
  return [...new Set(Array.from({ length: timeCuts - 1 }, (_, index) => at(index + 1)))];
}
