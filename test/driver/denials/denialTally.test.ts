/** Tests when the driver records denials. A task can cause any number of denials. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DenialTally } from "../../../src/driver/denials/denialTally.ts";
import { initialContext } from "../../../src/machines/taskContext.ts";

const one = {
  blockers: ["fs.read_file"],
  object: "/etc/passwd",
  program: "/bin/cat",
  pid: 7,
  timeMs: 5,
  domain: "d",
};

describe("refusals", () => {
  it("of one kind are recorded for the first, the tenth, the hundredth and so on", () => {
    const tally = new DenialTally(initialContext.denials);
    const due = Array.from({ length: 10_000 }, (_, index) => (tally.add(one) ? [index + 1] : [])).flat();
    expect(due).toEqual([1, 10, 100, 1_000, 10_000]);
    expect(tally.take()).toEqual({
      refusals: [
        {
          blockers: ["fs.read_file"],
          object: "/etc/passwd",
          program: "/bin/cat",
          pid: 7,
          firstAt: 5,
          count: 10_000,
        },
      ],
      others: 0,
      lost: 0,
      domains: ["d"],
    });
    expect(tally.take()).toBeUndefined();
  });

  it("of kinds beyond the 32nd are counted together", () => {
    const tally = new DenialTally(initialContext.denials);
    for (let n = 0; n < 1_000; n += 1) tally.add({ ...one, object: `/${n}` });
    const taken = tally.take();
    expect(taken?.refusals).toHaveLength(32);
    expect(taken?.others).toBe(968);
  });

  it("continue the counts of earlier events", () => {
    const tally = new DenialTally({ ...initialContext.denials, others: 5 });
    tally.add(one);
    const known = tally.take();
    const next = new DenialTally({ refusals: known?.refusals ?? [], others: 5, lost: 2, domains: ["d"] });
    next.add({ ...one, domain: "e" });
    next.addLost(3);
    expect(next.take()).toMatchObject({
      refusals: [{ count: 2, firstAt: 5 }],
      others: 5,
      lost: 5,
      domains: ["d", "e"],
    });
  });

  it("in any process's folder of /proc are one kind", () => {
    const tally = new DenialTally(initialContext.denials);
    for (const pid of [1, 2, 3]) tally.add({ ...one, object: `/proc/${pid}/environ` });
    expect(tally.take()?.refusals).toMatchObject([{ object: "/proc/1/environ", count: 3 }]);
  });

  it("that came last before an end are known, unless too long before it to be its cause", () => {
    const tally = new DenialTally(initialContext.denials);
    expect(tally.isEmpty).toBe(true);
    expect(tally.lastBefore(10)).toBeUndefined();
    tally.add(one);
    tally.add({ ...one, object: "/late", timeMs: 9 });
    tally.add({ ...one, object: "/earlier", timeMs: 8 });
    expect(tally.isEmpty).toBe(false);
    expect(tally.lastBefore(10)).toMatchObject({ refusal: { object: "/late" }, beforeMs: 1 });
    expect(tally.lastBefore(8)?.beforeMs).toBe(0);
    expect(tally.lastBefore(60_000)).toBeUndefined();
  });

  it("of a kind that began long before an end may be its cause if it was repeated shortly before", () => {
    const tally = new DenialTally(initialContext.denials);
    tally.add(one);
    tally.add({ ...one, object: "/other", timeMs: 6 });
    tally.add({ ...one, timeMs: 59_000 });
    expect(tally.lastBefore(60_000)).toMatchObject({
      refusal: { object: "/etc/passwd", firstAt: 5, count: 2 },
      beforeMs: 1_000,
    });
  });

  it("that an earlier plugin counted may be the cause of an end, too", () => {
    const refusals = [{ ...one, firstAt: 9_500, count: 1 }].map(({ timeMs, domain, ...each }) => each);
    const tally = new DenialTally({ ...initialContext.denials, refusals });
    expect(tally.lastBefore(10_000)).toMatchObject({ refusal: { object: "/etc/passwd" }, beforeMs: 500 });
  });

  it("add up to their true number, with few events", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(60), { maxLength: 2_000 }), (kinds) => {
        const tally = new DenialTally(initialContext.denials);
        const events = kinds.flatMap((kind) =>
          tally.add({ ...one, object: `/${kind}` }) ? [tally.take()] : [],
        );
        const all = [...events, tally.take()].flatMap((taken) => taken ?? []);
        const counts = new Map(
          all.flatMap(({ refusals }) => refusals.map((each) => [each.object, each.count])),
        );
        const sum = [...counts.values()].reduce((total, count) => total + count, 0);
        expect(sum + (all.at(-1)?.others ?? 0)).toBe(kinds.length);
        expect(events.length).toBeLessThanOrEqual(32 * 4 + 4);
      }),
    );
  });
});
