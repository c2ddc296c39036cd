import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chanceOfNodes, lnChanceOf, randomFrom, type Stratum } from "../../src/fleet/exactTest.ts";

const chanceOf = (strata: readonly Stratum[]) => Math.exp(lnChanceOf(strata));
const stratum = (cases: number, failed: number, members: number, failedMembers: number): Stratum => ({
  ...{ cases, failed, members, failedMembers },
});

describe("the chance of a difference", () => {
  it.each([
    // Fisher's tea: four of four cups found, one of 70 choices.
    [[stratum(8, 4, 4, 4)], 1 / 70],
    [[stratum(8, 4, 4, 3)], 17 / 70],
    [[stratum(8, 4, 4, 0)], 1],
    // Three nodes of thirty.
    [[stratum(30, 3, 3, 3)], 1 / 4060],
    // Independent strata multiply.
    [[stratum(8, 4, 4, 4), stratum(8, 4, 4, 4)], 1 / 4900],
    // What cannot be otherwise says nothing.
    [[stratum(8, 4, 4, 4), stratum(9, 9, 3, 3), stratum(5, 2, 5, 2), stratum(5, 0, 2, 0)], 1 / 70],
    [[stratum(5, 5, 3, 3)], 1],
    [[], 1],
  ])("of %j is %d", (strata, chance) => {
    expect(chanceOf(strata)).toBeCloseTo(chance, 12);
  });

  it("is exact: it is what counting all ways in which cases may fail gives", () => {
    const counts = fc
      .record({
        cases: fc.integer({ min: 1, max: 7 }),
        failed: fc.nat(7),
        members: fc.nat(7),
        more: fc.nat(7),
      })
      .map(({ cases, failed, members, more }) => {
        const [f, m] = [Math.min(failed, cases), Math.min(members, cases)];
        const least = Math.max(0, f + m - cases);
        return stratum(cases, f, m, Math.min(Math.min(f, m), least + more));
      });
    fc.assert(
      fc.property(fc.array(counts, { minLength: 1, maxLength: 2 }), (strata) => {
        expect(chanceOf(strata)).toBeCloseTo(counted(strata), 10);
      }),
    );
  });

  it("may be smaller than any number, and is not lost in rounding", () => {
    // All of 39 members failed, and nobody else: one of the choices of 39 out of 412.
    expect(lnChanceOf([stratum(412, 39, 39, 39)])).toBeCloseTo(-54.86477387744534 * Math.LN10, 6);
    const large = stratum(10_000, 1_000, 1_000, 990);
    const ln = lnChanceOf([large]);
    expect(ln).toBeLessThan(-1_000);
    expect(lnChanceOf([large, stratum(8, 4, 4, 4)])).toBeLessThan(ln);
    expect(lnChanceOf([stratum(10_000, 1_000, 1_000, 991)])).toBeLessThan(ln);
  });

  it("of the same cases in many strata is larger: each stratum has its own chance", () => {
    const many = Array.from({ length: 50 }, () => stratum(20, 4, 4, 4));
    expect(lnChanceOf(many)).toBeCloseTo(50 * Math.log(1 / 4845), 6);
  });
});

/** The share of all ways to choose the failed cases that have as many failed members. The members come first. */
function counted(strata: readonly Stratum[]): number {
  let ways: number[] = [0];
  for (const { cases, failed, members } of strata) {
    const own: number[] = [];
    for (let set = 0; set < 1 << cases; set++) {
      const chosen = Array.from({ length: cases }, (_, index) => (set >> index) & 1);
      if (chosen.reduce((sum, each) => sum + each, 0) !== failed) continue;
      own.push(chosen.slice(0, members).reduce((sum, each) => sum + each, 0));
    }
    ways = ways.flatMap((sum) => own.map((each) => sum + each));
  }
  const found = strata.reduce((sum, { failedMembers }) => sum + failedMembers, 0);
  return ways.filter((sum) => sum >= found).length / ways.length;
}

describe("the chance of nodes", () => {
  const nodes = (count: number, ...bad: number[]) =>
    Array.from({ length: count }, (_, index) => (bad.includes(index) ? 10 : -1));
  const chosen = (count: number, ...those: number[]) =>
    Array.from({ length: count }, (_, index) => those.includes(index));

  it("is small if all that share a value are bad, and large if only one of them is", () => {
    expect(chanceOfNodes(nodes(30, 3, 4, 5), chosen(30, 3, 4, 5))).toBeCloseTo(1 / 4060, 10);
    expect(chanceOfNodes(nodes(30, 3), chosen(30, 3, 4, 5))).toBeCloseTo(0.1, 10);
  });

  it("of nearly all nodes is that of the few others", () => {
    const all = [...Array(30).keys()].filter((index) => index > 2);
    const good = Array.from({ length: 30 }, (_, index) => (index > 2 ? 1 : -9));
    expect(chanceOfNodes(good, chosen(30, ...all))).toBeCloseTo(1 / 4060, 10);
  });

  it("of too many choices to count is drawn, each time the same", () => {
    const bad = Array.from({ length: 30 }, (_, index) => index * 5);
    const once = () => chanceOfNodes(nodes(300, ...bad), chosen(300, ...bad));
    expect(once()).toBe(once());
    expect(once()).toBeLessThan(1e-4);
    expect(chanceOfNodes(nodes(300, ...bad), chosen(300, ...bad.map((index) => index + 1)))).toBe(1);
  });
});

it("numbers from a seed are spread over 0 to 1", () => {
  const random = randomFrom(7);
  const drawn = Array.from({ length: 10_000 }, random);
  const tenths = Array.from(
    { length: 10 },
    (_, index) => drawn.filter((each) => Math.floor(each * 10) === index).length,
  );
  for (const count of tenths) expect(Math.abs(count - 1_000)).toBeLessThan(150);
});
