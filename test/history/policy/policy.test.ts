/** Policies and judgements over generated worlds: a model says what each world's tasks may do. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Access } from "../../../src/effects/observe/access.ts";
import { parseUsedPath, type Uses, usesOf } from "../../../src/effects/observe/uses.ts";
import { isAtOrBelow } from "../../../src/effects/paths/paths.ts";
import { folderOf } from "../../../src/effects/unveil/pathRights.ts";
import { formatMode, modeOf } from "../../../src/effects/unveil/unveil.ts";
import { judgeRun, judgeRuns } from "../../../src/history/policy/judge.ts";
import type { ObservedRun, RecordedOptions } from "../../../src/history/policy/observedRun.ts";
import { policiesOf, withSmallest } from "../../../src/history/policy/policy.ts";
import { sampleData } from "../../support/history/history.ts";

const sandboxed = sampleData("sandboxed");

/** What every task of the model has. */
const fixed = ["rx:/usr", "rwc:/own"];
interface World {
  readonly unveil: readonly string[];
  readonly accesses: readonly (readonly [letters: string, path: string])[];
  readonly found: readonly string[];
  readonly connects: readonly string[];
  readonly ports: readonly number[];
  readonly capabilities: readonly string[];
}

const split = (entry: string) => [entry.split(":")[0] ?? "", entry.slice(entry.indexOf(":") + 1)] as const;
/** The model has one link: /link leads to /data/a. */
const real = (path: string) => (isAtOrBelow(path, "/link") ? `/data/a${path.slice("/link".length)}` : path);

/** The model: rights add up along a path without symlinks. */
function allows(entries: readonly string[], letters: string, path: string): boolean {
  const around = [...fixed, ...entries].map(split).filter(([, at]) => isAtOrBelow(path, real(at)));
  return [...letters].every((letter) => around.some(([mode]) => mode.includes(letter)));
}

/** The model: a private root has what is unveiled, the folders around it, and the links on the way to entries. */
function has(entries: readonly string[], name: string): boolean {
  const paths = [...fixed, ...entries].map((entry) => split(entry)[1]);
  if (isAtOrBelow(name, "/link") && !paths.some((path) => isAtOrBelow(path, "/link"))) return false;
  return paths.some((path) => isAtOrBelow(real(name), real(path)) || isAtOrBelow(real(path), real(name)));
}

function runOf(world: World, at: number, isFolded = false): ObservedRun {
  const accesses: Access[] = [
    ...world.accesses.map(([letters, path]): Access => {
      if (letters.includes("x")) return { kind: "executed", path };
      if (letters === "c") return { kind: "named", use: "remove", path: `${path}/old`, errno: 0 };
      const [read, write] = [letters.includes("r"), letters.includes("w")];
      return { kind: "opened", path, read, write, created: false };
    }),
    ...world.found.map((path): Access => ({ kind: "named", use: "lookUp", path, errno: 0 })),
  ];
  const uses = usesOf(accesses, ["/own"]);
  return {
    id: `run-${at}`,
    ...{ namespace: "default", job: "job", group: "group", task: "task" },
    ...{ begunAt: at, seenUntil: at + 1 },
    options: optionsOf(world),
    sandbox: {
      ...sandboxed,
      ...{ root: "private", privateTmp: false, runFolder: "/run/x" },
      unveiled: [
        { path: "/usr", mode: "rx", source: "plugin" },
        { path: "/own", mode: "rwc", source: "folder" },
        ...world.unveil.map((entry) => ({ path: split(entry)[1], mode: split(entry)[0], source: "task" })),
      ],
      egress: null,
    },
    names: [],
    wouldDeny: { file: null, digest: "", refused: [], others: 0, unclear: [], total: 0 },
    uses: {
      ...(isFolded ? foldedOnce(uses) : uses),
      connects: world.connects,
      ports: world.ports.map((port) => `tcp:${port}`),
      binds: [],
      capabilities: world.capabilities,
    },
    links: new Map(
      world.unveil.map((entry) => split(entry)[1]).flatMap((at) => (real(at) === at ? [] : [[at, real(at)]])),
    ),
    gaps: [],
    ...{ memoryBytes: null, processes: null, seesCapabilities: true },
  };
}

/** As the bound of a set makes it: one folder stands for what was used in it. */
function foldedOnce(uses: Uses): Uses {
  const folder = folderOf(parseUsedPath(uses.paths.find((text) => text.includes("/data/")) ?? "r:/x/y").path);
  if (folder === "/") return uses;
  const inIt = uses.paths.filter((text) => folderOf(parseUsedPath(text).path) === folder);
  const letters = formatMode(modeOf(inIt.map((text) => parseUsedPath(text).letters).join("")));
  return { ...uses, paths: [...uses.paths.filter((text) => !inIt.includes(text)), `${letters}:${folder}/`] };
}

const optionsOf = ({ unveil, ports, capabilities }: World): RecordedOptions => ({
  ...{ command: "x", unveil: [...unveil], cap_add: [...new Set([...capabilities, "net_raw"])] },
  connect_tcp: [...new Set([...ports, 9999])],
  egress: ["10.0.0.0/8", "192.0.2.0/24:443"],
});

const segment = fc.constantFrom("a", "b", "c");
const path = fc
  .tuple(fc.constantFrom("/data", "/link", "/usr", "/etc"), fc.array(segment, { maxLength: 3 }))
  .map(([top, names]) => [top, ...names].join("/"));
const mode = fc.constantFrom("r", "rw", "rx", "rwc", "c", "rwxc", "w");
const entry = fc.tuple(mode, path).map(([letters, at]) => `${letters}:${at}`);
const entries = fc.uniqueArray(entry, { maxLength: 6, selector: (text) => split(text)[1] });
const access = fc.tuple(fc.constantFrom("r", "w", "rw", "rx", "c"), path);
const world: fc.Arbitrary<World> = fc
  .record({
    unveil: entries,
    accesses: fc.array(access, { maxLength: 12 }),
    found: fc.array(path, { maxLength: 4 }),
    connects: fc.subarray(["tcp:10.1.2.3:80", "udp:10.0.0.53:53", "tcp:192.0.2.7:443"]),
    ports: fc.subarray([80, 443, 5432]),
    capabilities: fc.subarray(["chown", "kill"]),
  })
  .map((each) => ({
    ...each,
    // Files are opened by their real paths, and the kernel has refused whatever the model does not allow.
    accesses: each.accesses
      .map(([letters, at]) => [letters, real(at)] as const)
      .filter(([letters, at]) => allows(each.unveil, letters, at)),
    found: each.found.filter((at) => has(each.unveil, at)),
  }));

function isFree(of: World, candidate: readonly string[]): boolean {
  return (
    of.accesses.every(([letters, at]) => allows(candidate, letters, at)) &&
    of.found.every((at) => has(candidate, at))
  );
}

const listOf = (options: RecordedOptions, name: string) => options[name] as readonly string[];

describe("the smallest options", () => {
  it("refuse none of the observed runs anything, and keep no entry that nothing used", () => {
    fc.assert(
      fc.property(fc.array(world, { minLength: 1, maxLength: 3 }), fc.boolean(), (some, isFolded) => {
        const [{ unveil }] = some as [World];
        const planted = "rw:/planted/entry";
        const worlds = some.map((each) => ({
          ...each,
          unveil: [...unveil, planted],
          accesses: each.accesses.filter(([letters, at]) => allows(unveil, letters, at)),
          found: each.found.filter((at) => has(unveil, at)),
        }));
        const lists = { ports: [80, 443, 5432], capabilities: ["chown", "kill"] };
        const runs = worlds.map((each, at) => ({
          ...runOf(each, at, isFolded),
          options: optionsOf({ ...each, ...lists }),
        }));
        const [policy] = policiesOf(runs);
        if (policy === undefined) throw new Error("no policy");
        const smallest = withSmallest(runs.at(-1)?.options ?? {}, policy);
        for (const each of worlds) expect(isFree(each, listOf(smallest, "unveil"))).toBe(true);
        for (const run of runs) expect(judgeRun(run, smallest).refused).toEqual([]);
        const unused = policy.entries.filter(({ runs: count }) => count === 0).map(({ entry: text }) => text);
        expect(unused).toEqual(expect.arrayContaining([planted, "net_raw", "9999"]));
        expect(listOf(smallest, "unveil")).not.toContain(planted);
        expect(policy.unmet).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});

describe("a candidate", () => {
  it("is never said to allow what the model refuses", () => {
    let [allowed, refused] = [0, 0];
    fc.assert(
      fc.property(world, entries, fc.boolean(), fc.boolean(), (of, others, isFolded, isPart) => {
        const run = runOf(of, 1, isFolded);
        const unveil = isPart ? of.unveil.filter((_, index) => index % 2 === 0) : others;
        const { judgement } = judgeRuns([run], { ...run.options, unveil });
        if (judgement === "allows") {
          expect(isFree(of, unveil)).toBe(true);
          allowed += 1;
        } else if (judgement === "refuses") refused += 1;
      }),
      { numRuns: 3_000 },
    );
    // Neither answer is the only one.
    expect(allowed).toBeGreaterThan(100);
    expect(refused).toBeGreaterThan(100);
  });

  it("is judged by ports, destinations, capabilities and processes, with the time of the last run", () => {
    const of: World = {
      ...{ unveil: [], accesses: [], found: [], ports: [80], capabilities: ["chown"] },
      connects: ["tcp:192.0.2.7:443"],
    };
    const runs = [1, 2].map((at) => ({ ...runOf(of, at), processes: 9 }));
    const judged = (change: RecordedOptions) => judgeRuns(runs, { ...runs[0]?.options, ...change });
    expect(judged({}).judgement).toBe("allows");
    expect(judged({ connect_tcp: [443] }).refused).toEqual([
      { what: "connecting to port tcp:80", runs: 2, lastAt: 3 },
    ]);
    expect(judged({ egress: ["192.0.2.7:80"] }).refused).toMatchObject([
      { what: "connecting to tcp:192.0.2.7:443" },
    ]);
    expect(judged({ cap_add: ["net_raw"] }).refused).toMatchObject([{ what: "capability chown" }]);
    expect(judged({ pids_limit: 8 }).refused).toMatchObject([{ what: "9 processes" }]);
    expect(judged({ pids_limit: 9, cap_add: ["chown"] }).judgement).toBe("allows");
  });

  it("needs port 0 of bind_udp for what may have been sent from a port that the kernel chose", () => {
    const of: World = { unveil: [], accesses: [], found: [], connects: [], ports: [], capabilities: [] };
    const before = runOf(of, 1);
    const options = { ...before.options, bind_udp: [0, 53], connect_tcp: undefined };
    const run = { ...before, options, uses: { ...before.uses, ports: ["udp:123"] } };
    expect(judgeRun(run, { ...options, bind_udp: [0] })).toEqual({ refused: [], unclear: [] });
    expect(judgeRun(run, { ...options, bind_udp: [53] }).unclear).toEqual([
      expect.stringContaining("takes port 0 of bind_udp"),
    ]);
    expect(policiesOf([run])[0]?.smallest.bind_udp).toEqual([0]);
  });

  it("is unclear about addresses if it has names that the run has not looked up", () => {
    const of: World = {
      unveil: [],
      accesses: [],
      found: [],
      ports: [],
      capabilities: [],
      connects: ["tcp:192.0.2.7:443"],
    };
    const run = runOf(of, 1);
    const judged = (...egress: readonly string[]) => judgeRun(run, { ...run.options, egress });
    expect(judged("db.example.org", "10.0.0.0/8")).toEqual({
      refused: [],
      unclear: ["tcp:192.0.2.7:443 may be an address of db.example.org"],
    });
    expect(judged("10.0.0.0/8").refused).toEqual(["connecting to tcp:192.0.2.7:443"]);
  });

  it("is unclear where a run is not wholly known, or another option differs", () => {
    const run = runOf({ unveil: [], accesses: [], found: [], connects: [], ports: [], capabilities: [] }, 1);
    const judged = (part: Partial<ObservedRun>, change: RecordedOptions = {}) =>
      judgeRuns([{ ...run, ...part }], { ...run.options, ...change });
    expect(judged({}).judgement).toBe("allows");
    expect(judged({ gaps: ["it had not ended"] })).toMatchObject({
      ...{ judgement: "unclear", unclear: [{ why: "it had not ended", runs: 1 }] },
    });
    expect(judged({}, { seccomp: "strict" }).unclear).toEqual([
      { why: "it ran with another value of seccomp", runs: 1 },
    ]);
    expect(judged({ seesCapabilities: false }, { cap_add: [] }).judgement).toBe("unclear");
    const strange = { ...run.uses, paths: ["r:/nobody/knows"] };
    expect(judged({ uses: strange }, { unveil: [] }).judgement).toBe("allows");
    const had = { ...run.options, unveil: ["r:/data"] };
    expect(judged({ uses: strange, options: had }, { unveil: [] }).judgement).toBe("unclear");
    expect(judgeRuns([], {}).judgement).toBe("unclear");
  });
});

describe("files that moved", () => {
  const nothing: World = {
    ...{ unveil: ["rwc:/data/a", "rwc:/data/b", "rwc:/data/c"], accesses: [], found: [] },
    ...{ connects: [], ports: [], capabilities: [] },
  };
  const run = runOf(
    { ...nothing, accesses: ["a", "b", "c"].map((name) => ["c", `/data/${name}`] as const) },
    1,
  );
  const moved = (...moves: readonly string[]): ObservedRun => ({ ...run, uses: { ...run.uses, moves } });
  const judged = (of: ObservedRun, ...unveil: readonly string[]) =>
    judgeRun(of, { ...of.options, unveil: [...unveil, "rwc:/data/c"] });
  const there = moved("from:/data/a", "to:/data/b");

  it("would be refused where they gain a right", () => {
    expect(judged(there, "c:/data/a", "rc:/data/b").refused).toEqual(["moving from /data/a to /data/b"]);
    expect(judged(there, "rc:/data/a", "c:/data/b")).toEqual({ refused: [], unclear: [] });
    expect(judged(there, "rwc:/data/a", "rwc:/data/b")).toEqual({ refused: [], unclear: [] });
    // Which folders belong together is not known.
    const among = moved("from:/data/a", "from:/data/c", "to:/data/b", "to:/data/a");
    expect(judged(among, "c:/data/a", "rc:/data/b")).toMatchObject({
      refused: [],
      unclear: expect.arrayContaining([
        "it may have moved a file from /data/a to /data/b, where that would gain r",
      ]),
    });
    expect(judged(moved("more"), "rwc:/data/a").unclear).toEqual([
      "it moved files among too many folders to know them all",
    ]);
    // In its own folder, the run has the rights that it had.
    expect(judged(moved("from:/data/a", "to:/own"), "c:/data/a", "c:/data/b").refused).toEqual([
      "moving from /data/a to /own",
    ]);
  });

  it("keep the smallest options from narrowing the folder that they left", () => {
    const read = { ...there, uses: { ...there.uses, paths: [...there.uses.paths, "r:/data/b/x"] } };
    const [policy] = policiesOf([read]);
    expect(policy?.smallest.unveil).toEqual(["rwc:/data/a", "rc:/data/b", "c:/data/c"]);
    const [still] = policiesOf([{ ...read, uses: { ...read.uses, moves: [] } }]);
    expect(still?.smallest.unveil).toEqual(["c:/data/a", "rc:/data/b", "c:/data/c"]);
  });
});

describe("a policy", () => {
  it("has what the candidate would have refused, by its newest options", () => {
    const of: World = { unveil: [], accesses: [], found: [], connects: [], ports: [], capabilities: [] };
    const judged = (
      at: number,
      digest: string,
      refused: readonly string[],
      unclear: readonly string[] = [],
    ) => ({
      ...runOf(of, at),
      wouldDeny: {
        ...{ file: "/c", digest, others: 1, total: 9 },
        refused: [...refused],
        unclear: [...unclear],
      },
    });
    const runs = [
      judged(10, "old", ["r:/x"]),
      judged(30, "new", ["r:/y"], ["why"]),
      judged(20, "new", ["r:/y"]),
    ];
    expect(policiesOf(runs)[0]?.candidate).toEqual({
      ...{ file: "/c", others: 2, refused: [{ what: "r:/y", runs: 2, lastAt: 31 }] },
      unclear: [{ why: "why", runs: 1 }],
    });
    expect(policiesOf([runOf(of, 1)])[0]?.candidate).toBeNull();
  });

  it("has for each entry how many runs used it, when, and what of it is enough", () => {
    const part = { found: [], connects: ["tcp:192.0.2.7:443"], ports: [443], capabilities: ["kill"] };
    const unveil = ["rwc:/data", "r:/data/a", "rw:/etc/a"];
    const often: World = { ...part, unveil, accesses: [["r", "/data/a/x"]] };
    const once: World = { ...part, unveil, accesses: [["r", "/etc/a"]] };
    const [policy] = policiesOf([runOf(once, 10), ...[20, 30].map((at) => runOf(often, at))]);
    expect(policy).toMatchObject({ runs: 3, from: 10, to: 31, unmet: [] });
    expect(policy?.entries).toEqual([
      { option: "unveil", entry: "rwc:/data", runs: 0, lastAt: null, smallest: null },
      { option: "unveil", entry: "r:/data/a", runs: 2, lastAt: 31, smallest: "r:/data/a" },
      { option: "unveil", entry: "rw:/etc/a", runs: 1, lastAt: 11, smallest: "r:/etc/a" },
      { option: "egress", entry: "10.0.0.0/8", runs: 0, lastAt: null, smallest: null },
      { option: "egress", entry: "192.0.2.0/24:443", runs: 3, lastAt: 31, smallest: "192.0.2.0/24:443" },
      { option: "connect_tcp", entry: "443", runs: 3, lastAt: 31, smallest: "443" },
      { option: "connect_tcp", entry: "9999", runs: 0, lastAt: null, smallest: null },
      { option: "cap_add", entry: "kill", runs: 3, lastAt: 31, smallest: "kill" },
      { option: "cap_add", entry: "net_raw", runs: 0, lastAt: null, smallest: null },
    ]);
    expect(policy?.smallest).toEqual({
      ...{ unveil: ["r:/data/a", "r:/etc/a"], egress: ["192.0.2.0/24:443"] },
      ...{ connect_tcp: [443], cap_add: ["kill"] },
    });
  });
});
