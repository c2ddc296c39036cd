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

  it("that came last are known", () => {
    const tally = new DenialTally(initialContext.denials);
    expect(tally.last).toBeUndefined();
    tally.add(one);
    tally.add({ ...one, object: "/late", timeMs: 9 });
    tally.add({ ...one, object: "/earlier", timeMs: 8 });
    expect(tally.last).toMatchObject({ refusal: { object: "/late" }, at: 9 });
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
