/** What is found in a fleet: planted causes, and none where none is planted. */
import { describe, expect, it } from "vitest";
import { allocationOf } from "../../src/fleet/allocation.ts";
import { chanceText } from "../../src/fleet/chanceText.ts";
import { allocationStub, nodeStub } from "../../src/fleet/stubs.ts";
import { explainFleet, type FleetWhy } from "../../src/fleet/why.ts";
import { type MadeCluster, madeCluster, recordedCluster } from "../support/nomad/cluster.ts";
import type { Cluster } from "../support/nomad/fakeNomad.ts";

const seeds = Array.from({ length: 100 }, (_, index) => index + 1);

function explained({ allocations, nodes }: Cluster, since?: number): FleetWhy {
  const fleet = {
    allocations: allocations.map((each) => allocationOf(allocationStub.parse(each), String)),
    nodes: new Map(nodes.map((each) => [String(each.ID), nodeStub.parse(each)])),
    ...{ index: 1, notes: [] },
  };
  return explainFleet(fleet, since);
}

function made(options: Partial<MadeCluster> & Pick<MadeCluster, "seed">): FleetWhy {
  return explained(madeCluster({ nodes: 30, allocations: 412, failing: 0, ...options }));
}

const namesOf = ({ groups }: FleetWhy) => groups.flatMap(({ named }) => named.map(({ what }) => what));

describe("a cause that is planted on 3 of 30 nodes", () => {
  const nodes = [4, 11, 27];

  it("ranks first in 100 of 100 seeds", () => {
    const planted = { nodes, kernel: "6.1.57", failing: 0.95 };
    const first = seeds.map((seed) => namesOf(made({ seed, planted }))[0]);
    expect(first.filter((each) => each === "kernel 6.1.57")).toHaveLength(100);
  });

  it("ranks first in 100 of 100 seeds also if other allocations fail in the same way", () => {
    const planted = { nodes, kernel: "6.1.57", failing: 0.7 };
    const first = seeds.map((seed) => namesOf(made({ seed, planted, failing: 0.03 }))[0]);
    expect(first.filter((each) => each === "kernel 6.1.57")).toHaveLength(100);
  });

  it("is named by its nodes if they share nothing", () => {
    const planted = { nodes, kernel: undefined, failing: 0.95 };
    const first = seeds.map((seed) => namesOf(made({ seed, planted }))[0]);
    expect(first.filter((each) => each === "nodes client-4, client-11, client-27").length).toBeGreaterThan(
      95,
    );
  });

  it("is told with counts", () => {
    const { groups } = made({ seed: 5, planted: { nodes, kernel: "6.1.57", failing: 1 } });
    expect(groups).toHaveLength(1);
    const [group] = groups;
    const count = group?.failed;
    expect(group?.kind).toBe("missing_path");
    expect(group?.object).toBe("/etc/passwd");
    expect(group?.sentence).toMatch(
      `${count} of 412 allocations failed so, all on kernel 6.1.57 (${count} of ${count} there; 0 of ${412 - Number(count)} elsewhere)`,
    );
  });
});

describe("without a planted difference", () => {
  it.each([0.02, 0.1, 0.5])("nothing is named in 100 of 100 seeds, if %d of all fail", (failing) => {
    expect(seeds.flatMap((seed) => namesOf(made({ seed, failing })))).toEqual([]);
  });

  it("the sentence says so, and what comes nearest", () => {
    const sentences = seeds.map((seed) => made({ seed, failing: 0.1 }).groups[0]?.sentence ?? "");
    for (const sentence of sentences)
      expect(sentence).toContain("nothing sets them apart with 99.9 % certainty");
    expect(sentences.some((sentence) => /; nearest comes .* which may be chance \(/.test(sentence))).toBe(
      true,
    );
  });
});

describe("two broken nodes of five that share a kernel", () => {
  it("are named, and not the kernel: that they share it may be chance, and the answer never says otherwise", () => {
    for (const seed of seeds.slice(0, 20)) {
      const why = made({ seed, nodes: 5, planted: { nodes: [1, 3], kernel: "6.1.57", failing: 0.3 } });
      const [group] = why.groups;
      expect(group?.named.map(({ attribute }) => attribute)).not.toContain("kernel");
      for (const { attribute, chance } of group?.others ?? []) {
        if (attribute === "kernel") expect(chance).toBeGreaterThan(0.05);
      }
    }
  });
});

describe("one broken node", () => {
  it("is named itself, and hardly ever what it shares with good ones", () => {
    const named = seeds.map((seed) =>
      namesOf(made({ seed, planted: { nodes: [9], kernel: undefined, failing: 0.95 } })),
    );
    expect(named.filter(([first]) => first === "node client-9").length).toBeGreaterThanOrEqual(95);
    expect(named.filter((each) => each.length > 1).length).toBeLessThanOrEqual(5);
  });
});

describe("what an allocation has itself", () => {
  it("is named: its job's version, and the time from which on they fail", () => {
    const cluster = madeCluster({ seed: 3, nodes: 30, allocations: 400, failing: 0 });
    const [failed] = recordedCluster().allocations.filter(({ JobID }) => JobID === "crash");
    const broken = (isBroken: (each: (typeof cluster.allocations)[number]) => boolean) => ({
      ...cluster,
      allocations: cluster.allocations.map((each) => {
        const { ClientStatus, TaskStates } = isBroken(each) ? (failed ?? {}) : each;
        return { ...each, ClientStatus, TaskStates };
      }),
    });
    expect(namesOf(explained(broken(({ JobVersion }) => JobVersion === 2)))).toEqual(["job version 2"]);
    const since = 1_796_060_000_000;
    const [what] = namesOf(explained(broken(({ CreateTime }) => Number(CreateTime) / 1e6 > since)));
    expect(what).toMatch(/^created since 20/);
    expect(Math.abs(Date.parse(what?.slice("created since ".length) ?? "") - since)).toBeLessThan(
      86_400_000 / 8,
    );
  });
});

describe("jobs", () => {
  it("are compared each with itself: one that always fails, and runs on some nodes only, blames no node", () => {
    const web = madeCluster({ seed: 1, nodes: 20, allocations: 200, failing: 0.05, jobs: ["web"] });
    const bad = madeCluster({ seed: 2, nodes: 20, allocations: 60, failing: 1, jobs: ["bad"] });
    const few = web.nodes.slice(0, 3);
    const allocations = bad.allocations.map((each, index) => ({ ...each, NodeID: few[index % 3]?.ID }));
    const why = explained({ ...web, allocations: [...web.allocations, ...allocations] });
    expect(why.groups[0]?.jobs).toEqual(["bad", "web"]);
    expect(namesOf(why)).toEqual([]);
  });
});

describe("the recorded cluster", () => {
  it("has a group for each kind and object", () => {
    const { groups, failed, good, other } = explained(recordedCluster());
    expect([failed, good, other]).toEqual([11, 9, 0]);
    expect(
      Object.fromEntries(groups.map(({ kind, object, failed: count }) => [`${kind} ${object}`, count])),
    ).toEqual({
      "exit_code 1": 2,
      "exit_code 9": 1,
      "exit_code 4": 1,
      "exit_code 0": 2,
      "signal SIGSEGV": 1,
      "missing_path /etc/passwd": 1,
      "missing_command /opt/app/server": 1,
      "disk_full /opt/nomad/data/alloc/…": 1,
      "UNVEIL_PATH_MISSING /does/not/exist": 1,
    });
  });

  it("has no good allocation to compare those of a job with that always fails", () => {
    const { groups } = explained(recordedCluster());
    expect(groups.find(({ kind }) => kind === "signal")?.sentence).toBe(
      "1 of 1 allocations failed so: no good one is there to compare them with",
    );
  });

  it("leaves out what ended before a time", () => {
    const since = Date.parse("2026-12-01T02:13:25Z");
    const { groups } = explained(recordedCluster(), since);
    expect(groups.map(({ jobs }) => jobs)).toEqual([["loop"]]);
  });
});

it.each([
  [0, "likely"],
  [Math.log(0.2), "1 in 5"],
  [-Math.log(4060), "1 in 4,060"],
  [Math.log(2e-13), "1 in 10^12"],
  [-2_000, "1 in 10^868"],
])("a chance whose logarithm is %d is %s", (lnChance, text) => {
  expect(chanceText(lnChance)).toBe(text);
});
