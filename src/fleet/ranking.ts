/**
 * What sets failed cases apart from good ones: values that failed cases have more often than chance alone explains. A
 * value is named only with a stated certainty, over all values that were looked at, and only if no better value
 * explains it. Pure.
 */
import { chanceOf, chanceOfNodes, choicesOf, randomFrom, type Stratum } from "./exactTest.ts";

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
  readonly cases: number;
  readonly failed: number;
  readonly otherCases: number;
  readonly otherFailed: number;
  /**
   * Upper bound of the probability that chance alone makes such a difference anywhere among the values that were looked
   * at.
   */
  readonly chance: number;
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
  readonly members: readonly number[];
  /** Ids of the nodes, for what nodes have. */
  readonly nodes: readonly string[] | undefined;
  readonly same: Fact[];
}

interface Found {
  readonly candidate: Candidate;
  /** The chance of this value alone: the smaller, the stronger. */
  readonly strength: number;
  readonly chance: number;
  readonly difference: Difference;
}

class Comparison {
  readonly candidates: readonly Candidate[];
  readonly #cases: readonly Case[];
  readonly #nodes: readonly string[];
  /** How many values look at a choice of several nodes. */
  readonly #ofNodes: number;

  constructor({ cases, nodes }: Compared) {
    this.#cases = cases;
    this.#nodes = [...new Set(cases.map(({ node }) => node))];
    this.candidates = cases.some(({ failed }) => failed) ? candidatesOf(cases, this.#nodes, nodes) : [];
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
    return {
      named: named.map(({ difference }) => difference),
      others: named.length > 0 ? [] : first.slice(0, maxOthers).map(({ difference }) => difference),
    };
  }

  /** The values that failed cases have more often, the strongest first. */
  #found(strata: readonly string[], looked: number): Found[] {
    const whole = this.#tally(strata);
    return this.candidates
      .flatMap((candidate) => {
        const counts = this.#counts(candidate.members, strata, whole);
        if (deviationsOf(counts) < leastDeviations) return [];
        const strength = chanceOf(counts);
        const chance = Math.min(1, strength * looked);
        return [{ candidate, strength, chance, difference: this.#difference(candidate, chance) }];
      })
      .sort(byStrength);
  }

  /** The strongest that is certain enough. Of a value and single nodes that explain as much, it is the value. */
  #best(found: readonly Found[], strata: readonly string[]): Found | undefined {
    const certain = found.filter(({ chance }) => chance <= 1 - certainty);
    const isNode = ({ candidate }: Found) => candidate.attribute === nodeAttribute;
    const isShown = ({ candidate }: Found) =>
      !this.#isShared(candidate) || this.#isOfNodes(candidate, strata);
    const value = certain.find((each) => !isNode(each) && isShown(each));
    const nodes = this.#together(certain.filter(isNode), strata);
    return [value, nodes].filter((each) => each !== undefined).sort(byStrength)[0];
  }

  #isShared({ nodes }: Candidate): boolean {
    return nodes !== undefined && nodes.length > 1;
  }

  /** Whether the nodes' number shows that it is what they share, and not a few of them. */
  #isOfNodes({ nodes = [] }: Candidate, strata: readonly string[]): boolean {
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
    return chance * this.#ofNodes <= 1 - nodeCertainty;
  }

  /** Single nodes, each of which is certain, as one value. Their chance is that of the most certain one. */
  #together(nodes: readonly Found[], strata: readonly string[]): Found | undefined {
    const [first] = nodes;
    if (first === undefined || nodes.length === 1) return first;
    const members = nodes.flatMap(({ candidate }) => candidate.members);
    const ids = nodes.flatMap(({ candidate }) => candidate.nodes ?? []);
    const candidate: Candidate = { ...first.candidate, value: null, members, nodes: ids, same: [] };
    // They were chosen for their failures, out of all choices of as many nodes.
    const alone = chanceOf(this.#counts(members, strata, this.#tally(strata)));
    const strength = alone * choicesOf(this.#nodes.length, ids.length);
    return {
      candidate,
      strength,
      chance: first.chance,
      difference: this.#difference(candidate, first.chance),
    };
  }

  #difference({ attribute, value, members, nodes, same }: Candidate, chance: number): Difference {
    const failed = members.filter((index) => this.#cases[index]?.failed).length;
    const all = this.#cases.filter((each) => each.failed).length;
    return {
      ...{ attribute, value },
      ...(attribute === nodeAttribute && { nodes: nodes ?? [] }),
      ...{ cases: members.length, failed },
      ...{ otherCases: this.#cases.length - members.length, otherFailed: all - failed },
      ...{ chance, same },
    };
  }

  #tally(strata: readonly string[]): Map<string, Tally> {
    const tallies = new Map<string, Tally>();
    for (const [index, { failed }] of this.#cases.entries()) {
      const stratum = strata[index] as string;
      const tally = tallies.get(stratum) ?? { cases: 0, failed: 0 };
      tallies.set(stratum, tally);
      tally.cases += 1;
      if (failed) tally.failed += 1;
    }
    return tallies;
  }

  #counts(
    members: readonly number[],
    strata: readonly string[],
    whole: ReadonlyMap<string, Tally>,
  ): Stratum[] {
    const own = new Map<string, Tally>();
    for (const index of members) {
      const stratum = strata[index] as string;
      const tally = own.get(stratum) ?? { cases: 0, failed: 0 };
      own.set(stratum, tally);
      tally.cases += 1;
      if (this.#cases[index]?.failed) tally.failed += 1;
    }
    return [...own].map(([stratum, { cases, failed }]) => {
      const all = whole.get(stratum) as Tally;
      return { cases: all.cases, failed: all.failed, members: cases, failedMembers: failed };
    });
  }
}

interface Tally {
  cases: number;
  failed: number;
}

/** Very strong ones are equal in what a number can hold. */
function byStrength(one: Found, other: Found): number {
  return one.strength - other.strength || lead(other.difference) - lead(one.difference);
}

/** By how much more of the cases with the value have failed. */
function lead({ cases, failed, otherCases, otherFailed }: Difference): number {
  return failed / Math.max(1, cases) - otherFailed / Math.max(1, otherCases);
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
  const casesOf = Map.groupBy(cases.keys(), (index) => (cases[index] as Case).node);
  const ofNodes = [...valuesOf(nodes, (node) => factsOfNodes.get(node) ?? [])].map(([fact, ids]) => ({
    fact,
    nodes: ids,
    members: ids.flatMap((node) => casesOf.get(node) ?? []),
  }));
  const own = [...valuesOf([...cases.keys()], (index) => (cases[index] as Case).facts)].map(
    ([fact, members]) => ({ fact, nodes: undefined, members }),
  );
  const times = timesOf(cases).map((time) => ({
    fact: { attribute: createdSince, value: String(time) },
    nodes: undefined,
    members: [...cases.keys()].filter((index) => (cases[index] as Case).createdMs >= time),
  }));
  const single = nodes.map((node) => ({
    fact: { attribute: nodeAttribute, value: node },
    nodes: [node],
    members: casesOf.get(node) ?? [],
  }));
  const random = randomFrom(1);
  const marks = cases.map(() => [random() * 2 ** 32, random() * 2 ** 32] as const);
  const distinct = new Map<string, Candidate>();
  for (const { fact, members, nodes: ids } of [...own, ...ofNodes, ...single, ...times]) {
    if (members.length === 0 || members.length === cases.length) continue;
    let [one, other] = [0, 0];
    for (const index of members) {
      const mark = marks[index] as readonly [number, number];
      one ^= mark[0];
      other ^= mark[1];
    }
    const key = `${members.length} ${one} ${other}`;
    const equal = distinct.get(key);
    if (equal !== undefined) equal.same.push(fact);
    else distinct.set(key, { ...fact, members, nodes: ids, same: [] });
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
