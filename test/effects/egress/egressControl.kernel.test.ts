import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, rmdirSync } from "node:fs";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { deleteEntry, mapTypes } from "../../../src/effects/bpf/bpf.ts";
import { mapInfo, openMap } from "../../../src/effects/bpf/cgroupPrograms.ts";
import { isConfined } from "../../../src/effects/egress/confinedCgroups.ts";
import { type EgressTerms, egressAnswer } from "../../../src/effects/egress/egress.ts";
import { EgressControl } from "../../../src/effects/egress/egressControl.ts";
import { findEgressProblem, openFolder, ownPrograms } from "../../../src/effects/egress/egressMaps.ts";
import { egressHooks, maxToldPerSecond } from "../../../src/effects/egress/egressPrograms.ts";
import type { EgressRefusal } from "../../../src/effects/egress/egressRefusal.ts";
import { parseAddress } from "../../../src/effects/network/addresses.ts";
import { TestCgroup } from "../../support/host/testCgroup.ts";
import { until } from "../../support/host/until.ts";

const handover = fileURLToPath(new URL("../../fixtures/egress/handover.py", import.meta.url));
const hammer = fileURLToPath(new URL("../../fixtures/egress/hammer.py", import.meta.url));
const script = fileURLToPath(new URL("../../fixtures/egress/connector.py", import.meta.url));

/** A process in a cgroup, in a network that leads nowhere: what is allowed reaches nobody. */
class Connector implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;
  readonly #answers: AsyncIterator<string>;

  constructor(cgroup: string) {
    const command = 'ip link set lo up && exec python3 "$0" "$1"';
    this.#child = spawn("unshare", ["-n", "sh", "-c", command, script, cgroup]);
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#answers = this.#lines[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async ready(): Promise<this> {
    expect((await this.#answers.next()).value).toBe("ready");
    return this;
  }

  /** @param destination `tcp 4 192.0.2.1 443` */
  async try(...destinations: readonly string[]): Promise<string[]> {
    this.#child.stdin.write(destinations.map((each) => `${each}\n`).join(""));
    const answers: string[] = [];
    for (const _ of destinations) answers.push((await this.#answers.next()).value);
    return answers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }
}

const termsOf = (
  egress: readonly string[] | undefined,
  egressDenied: readonly string[] = [],
): EgressTerms => ({ egress, egressDenied, names: new Map() });

const nobody = () => undefined;
let count = 0;
let cgroup: TestCgroup;
let control: EgressControl;
const problems: (string | undefined)[] = [];
const newControl = () =>
  new EgressControl({ runnerFolder: undefined, onProblem: (reason) => problems.push(reason) });

beforeEach(() => {
  count += 1;
  cgroup = new TestCgroup(`exec2-egress-test-${process.pid}-${count}`);
  control = newControl();
});

afterEach(async () => {
  control[Symbol.dispose]();
  await cgroup.remove();
  expect(problems.filter((each) => each !== undefined)).toEqual([]);
});

const connector = () => new Connector(cgroup.path).ready();

describe("the limits of a cgroup", () => {
  const addresses = [
    ...["10.0.0.1", "10.0.0.2", "10.1.0.1", "11.0.0.1", "127.0.0.1", "127.9.9.9", "0.0.0.0", "128.0.0.1"],
    ...[
      "2001:db8::1",
      "2001:db8::2",
      "2001:db8:1::1",
      "::1",
      "::",
      "::2",
      "::ffff:10.0.0.1",
      "::ffff:127.0.0.1",
    ],
    ...["::ffff:0.0.0.0", "64:ff9b::a00:1", "::10.0.0.1", "fe80::1"],
  ];
  const entries = [
    ...["10.0.0.0/8", "10.0.0.1", "10.0.0.0/31", "0.0.0.0/0", "127.0.0.1", "127.0.0.0/8", "11.0.0.1"],
    ...[
      "[2001:db8::/32]",
      "[2001:db8::1]",
      "[::/0]",
      "[::1]",
      "[::]",
      "[::2]",
      "[fe80::/10]",
      "[::ffff:10.0.0.1]",
    ],
  ];
  const ports = [53, 443];
  const anyEntry = fc
    .tuple(
      fc.constantFrom("", "tcp:", "udp:"),
      fc.constantFrom(...entries),
      fc.option(fc.constantFrom(...ports)),
    )
    .map(([protocol, host, port]) => `${protocol}${host}${port === null ? "" : `:${port}`}`)
    .map((entry) => (entry.endsWith("]") ? entry.replace(/[[\]]/g, "") : entry));
  const anyRules = fc.record({
    egress: fc.array(anyEntry, { maxLength: 5 }),
    egressDenied: fc.array(anyEntry, { maxLength: 2 }),
  });

  it("are what the rules say, for every way and family", { timeout: 200_000 }, async () => {
    const run = control.confine(cgroup.path, termsOf([]), nobody);
    await using tries = await connector();
    const destinations = addresses.flatMap((address) =>
      (["tcp", "udp", "sendto"] as const).flatMap((how) => ports.map((port) => ({ how, address, port }))),
    );
    await fc.assert(
      fc.asyncProperty(anyRules, async (options) => {
        run.replace({ ...options, names: new Map() }, 0);
        const answers = await tries.try(
          ...destinations.map(({ how, address, port }) =>
            [how, address.includes(":") ? 6 : 4, address, port].join(" "),
          ),
        );
        const expected = destinations.map(({ how, address, port }) => {
          const protocol = how === "tcp" ? ("tcp" as const) : ("udp" as const);
          const to = { protocol, address: parseAddress(address), name: undefined, port };
          return egressAnswer(to, options, new Map()).allowed ? "allowed" : "EPERM";
        });
        const wrong = destinations.filter((_, index) => answers[index] !== expected[index]);
        expect(wrong).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it("without a list deny only what is denied, and leave other kinds of sockets", async () => {
    const options = { egress: undefined, egressDenied: ["169.254.169.254", "127.0.0.1:4646"] };
    control.confine(cgroup.path, { ...options, names: new Map() }, nobody);
    await using tries = await connector();
    expect(
      await tries.try(
        ...["tcp 4 169.254.169.254 80", "tcp 6 ::ffff:169.254.169.254 80", "tcp 4 0.0.0.0 4646"],
        ...["tcp 4 127.0.0.1 4647", "udp 4 192.0.2.1 53"],
      ),
    ).toEqual(["EPERM", "EPERM", "EPERM", "allowed", "allowed"]);
  });

  it("also hold for new sockets of a process that was there before", async () => {
    await using tries = await connector();
    expect(await tries.try("udp 4 192.0.2.1 53")).toEqual(["allowed"]);
    control.confine(cgroup.path, termsOf([]), nobody);
    expect(await tries.try("udp 4 192.0.2.1 53")).toEqual(["EPERM"]);
  });

  it("hold in the cgroups below, too, and their refusals are the cgroup's", async () => {
    const [before, after] = [`${cgroup.path}/before`, `${cgroup.path}/after`] as const;
    const told: EgressRefusal[] = [];
    mkdirSync(before);
    const run = control.confine(cgroup.path, termsOf(["10.0.0.1"]), (refusal) => told.push(refusal));
    mkdirSync(after);
    try {
      for (const below of [before, after]) {
        await using tries = await new Connector(below).ready();
        expect(await tries.try("udp 4 10.0.0.1 1", "udp 4 10.0.0.2 1")).toEqual(["allowed", "EPERM"]);
      }
      await until(() => told.length === 2, "the refusals are told");
      expect(told.map(({ address }) => address)).toEqual(["10.0.0.2", "10.0.0.2"]);
      expect(run.refused()).toBe(2);
    } finally {
      await until(() => cgroup.isEmpty(), "the processes have ended");
      rmdirSync(before);
      rmdirSync(after);
    }
  });

  it("of two cgroups are apart", async () => {
    const other = new TestCgroup(`exec2-egress-test-${process.pid}-other`);
    try {
      control.confine(cgroup.path, termsOf(["10.0.0.1"]), nobody);
      control.confine(other.path, termsOf(["10.0.0.2"]), nobody);
      await using one = await connector();
      await using two = await new Connector(other.path).ready();
      const both = ["udp 4 10.0.0.1 1", "udp 4 10.0.0.2 1"];
      expect(await one.try(...both)).toEqual(["allowed", "EPERM"]);
      expect(await two.try(...both)).toEqual(["EPERM", "allowed"]);
    } finally {
      await other.remove();
    }
  });

  it("are replaced without a moment in which nothing or everything is allowed", async () => {
    const run = control.confine(cgroup.path, termsOf(["10.0.0.1", "10.0.0.2"]), nobody);
    await using tries = await connector();
    let isOver = false;
    const replacing = (async () => {
      for (let round = 0; !isOver; round += 1) {
        run.replace(termsOf(["10.0.0.1", round % 2 === 0 ? "10.0.0.3" : "10.0.0.2"]), 0);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const kept = Array<string>(2_000).fill("udp 4 10.0.0.1 1");
    const never = Array<string>(2_000).fill("udp 4 10.0.0.9 1");
    const answers = [await tries.try(...kept), await tries.try(...never)].map((each) => [...new Set(each)]);
    isOver = true;
    await replacing;
    expect(answers).toEqual([["allowed"], ["EPERM"]]);
  });

  it("let no connection slip through during 10,000 swaps of lists, and refuse none that all of them allow", async () => {
    const run = control.confine(cgroup.path, termsOf(["10.0.0.1"]), nobody);
    const command = 'ip link set lo up && ip route add default dev lo && exec python3 "$@"';
    const args = ["-n", "sh", "-c", command, "sh", hammer, cgroup.path, "10.0.0.1", "10.0.0.9"];
    const child = spawn("unshare", args);
    onTestFinished(() => void child.kill("SIGKILL"));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    expect((await lines.next()).value).toBe("ready");
    for (let swaps = 1; swaps <= 10_000; swaps += 1) {
      const others = [`10.1.${swaps >> 8}.${swaps & 255}`, "10.2.0.0/16"].slice(swaps % 2);
      run.replace(termsOf(["10.0.0.1", ...others]), swaps);
      if (swaps % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    child.stdin.end();
    const { value: counts = "" } = await lines.next();
    const [keptPassed = 0, keptRefused, passed, refused = 0] = counts.split(" ").map(Number);
    expect([keptRefused, passed]).toEqual([0, 0]);
    expect(Math.min(keptPassed, refused)).toBeGreaterThan(1_000);
    using next = newControl();
    expect(next.adopt(cgroup.path, nobody)?.changes).toBe(10_000);
  });

  it("of a later run in the cgroup replace those of the earlier one, whose end then changes nothing", async () => {
    const first = control.confine(cgroup.path, termsOf(["10.0.0.1"]), nobody);
    const second = control.confine(cgroup.path, termsOf(undefined, ["10.0.0.2"]), nobody);
    first[Symbol.dispose]();
    await using tries = await connector();
    expect(await tries.try("udp 4 10.0.0.1 1", "udp 4 10.0.0.2 1", "udp 4 10.0.0.3 1")).toEqual([
      ...["allowed", "EPERM", "allowed"],
    ]);
    second[Symbol.dispose]();
    expect(await tries.try("udp 4 10.0.0.1 1")).toEqual(["EPERM"]);
  });

  it("leave nothing to a later run in the cgroup that has none, or denies only", async () => {
    const others = ["raw 4 127.0.0.1 9", "options 4 127.0.0.1 9"];
    const first = control.confine(cgroup.path, termsOf([]), nobody);
    await using tries = await connector();
    expect(await tries.try("udp 4 10.0.0.1 1", ...others)).toEqual(["EPERM", "EPERM", "EPERM"]);
    first[Symbol.dispose]();
    expect(isConfined(cgroup.path)).toBe(true);
    control.free(cgroup.path);
    expect(isConfined(cgroup.path)).toBe(false);
    expect(await tries.try("udp 4 10.0.0.1 1", ...others)).toEqual(["allowed", "allowed", "allowed"]);
    const second = control.confine(cgroup.path, termsOf(undefined, ["10.0.0.1"]), nobody);
    expect(await tries.try("udp 4 10.0.0.1 1", ...others)).toEqual(["EPERM", "allowed", "allowed"]);
    second[Symbol.dispose]();
    control.confine(cgroup.path, termsOf([]), nobody);
    expect(await tries.try("udp 4 10.0.0.1 1", ...others)).toEqual(["EPERM", "EPERM", "EPERM"]);
  });

  it("of processes that have the cgroup in turn replace each other", async () => {
    using other = newControl();
    await using tries = await connector();
    const both = ["udp 4 10.0.0.1 1", "udp 4 10.0.0.2 1"];
    for (let turn = 0; turn < 2; turn += 1) {
      control.confine(cgroup.path, termsOf(["10.0.0.1"]), nobody);
      expect(await tries.try(...both)).toEqual(["allowed", "EPERM"]);
      const theirs = other.confine(cgroup.path, termsOf(["10.0.0.2"]), nobody);
      expect(await tries.try(...both)).toEqual(["EPERM", "allowed"]);
      if (turn === 1) theirs[Symbol.dispose]();
    }
    expect(await tries.try(...both)).toEqual(["EPERM", "EPERM"]);
  });

  it("are not set on what is no cgroup", () => {
    expect(() => control.confine("/tmp", termsOf([]), nobody)).toThrow(
      expect.objectContaining({
        code: "EGRESS_UNAVAILABLE",
        failed: expect.objectContaining({ call: "bpf" }),
      }),
    );
  });
});

describe("after the end of the process that has set them, the limits", () => {
  it("hold, and are taken over by the next one with what was refused meanwhile", async () => {
    control.confine(cgroup.path, termsOf(["10.0.0.1"]), nobody);
    await using tries = await connector();
    control[Symbol.dispose]();
    expect(await tries.try("udp 4 10.0.0.1 1", "udp 4 10.0.0.2 1")).toEqual(["allowed", "EPERM"]);
    control = newControl();
    const told: EgressRefusal[] = [];
    const run = control.adopt(cgroup.path, (refusal) => told.push(refusal));
    expect(run?.refused()).toBe(1);
    expect(await tries.try("udp 4 10.0.0.1 1", "udp 4 10.0.0.3 1")).toEqual(["allowed", "EPERM"]);
    await until(() => told.length === 2, "the refusals are told");
    expect(told.map(({ address }) => address)).toEqual(["10.0.0.2", "10.0.0.3"]);
    run?.replace(termsOf(["10.0.0.2"]), 0);
    expect(await tries.try("udp 4 10.0.0.1 1", "udp 4 10.0.0.2 1")).toEqual(["EPERM", "allowed"]);
    run?.[Symbol.dispose]();
    expect(await tries.try("udp 4 10.0.0.2 1")).toEqual(["EPERM"]);
  });

  it("end when the run has ended, too: nothing is allowed any more", async () => {
    control.confine(cgroup.path, termsOf(["10.0.0.1"]), nobody);
    control[Symbol.dispose]();
    control = newControl();
    control.release(cgroup.path);
    expect(control.adopt(cgroup.path, nobody)).toBeUndefined();
    await using tries = await connector();
    expect(await tries.try("udp 4 10.0.0.1 1")).toEqual(["EPERM"]);
    const run = control.confine(cgroup.path, termsOf(["10.0.0.1"]), nobody);
    control.release(cgroup.path);
    expect(await tries.try("udp 4 10.0.0.1 1")).toEqual(["allowed"]);
    run[Symbol.dispose]();
  });

  it("refuse all if only they could be deleted, and a socket is made, for which a later run's init asks", async () => {
    control.confine(cgroup.path, termsOf(["10.0.0.1"]), nobody);
    await using tries = await connector();
    expect(await tries.try("udp 4 10.0.0.1 1", "raw 4 10.0.0.1 1")).toEqual(["allowed", "EPERM"]);
    using folder = openFolder(cgroup.path);
    const [{ mapIds } = { mapIds: [] }] = ownPrograms(folder.descriptor, egressHooks[0]);
    const key = Buffer.alloc(8);
    key.writeBigUInt64LE(folder.id);
    for (const map of mapIds.map((id) => openMap(id) ?? 0)) {
      if (mapInfo(map).type === mapTypes.hash) deleteEntry(map, key);
      closeSync(map);
    }
    expect(await tries.try("udp 4 10.0.0.1 1", "raw 4 10.0.0.1 1")).toEqual(["EPERM", "allowed"]);
  });

  it("are found nowhere else", () => {
    expect(control.adopt(cgroup.path, nobody)).toBeUndefined();
    control.release(cgroup.path);
    control.release("/sys/fs/cgroup/none");
  });
});

describe("sockets that a run has handed over to a process outside of its cgroup", () => {
  async function handedOver() {
    const child = spawn("unshare", [
      ...["-n", "sh", "-c", 'ip link set lo up && exec python3 "$0" "$1"'],
      ...[handover, cgroup.path],
    ]);
    onTestFinished(async () => {
      child.kill("SIGKILL");
      await once(child, "exit");
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const answer = async (command?: string) => {
      if (command !== undefined) child.stdin.write(`${command}\n`);
      return (await lines.next()).value as string;
    };
    expect(await answer()).toBe("ready");
    return {
      end: async () => {
        expect(await answer("end")).toBe("ended");
        await until(() => cgroup.isEmpty(), "the maker has ended");
      },
      /** To a denied address, one that is not listed, and one that is, over TCP and UDP. */
      tries: async () => {
        const answers: string[] = [];
        for (const address of ["10.0.0.2", "192.0.2.1", "10.0.0.1"])
          for (const how of ["tcp", "udp"]) answers.push(await answer(`try ${how} ${address} 80`));
        return answers.join(" ");
      },
    };
  }
  const terms = termsOf(["10.0.0.0/8"], ["10.0.0.2"]);
  const asInRun = "EPERM EPERM EPERM EPERM allowed allowed";
  const none = "EPERM EPERM EPERM EPERM EPERM EPERM";
  const all = "allowed allowed allowed allowed allowed allowed";

  it("reach nothing once the run is over, nor when the cgroup is gone; without this they would reach all", async () => {
    const run = control.confine(cgroup.path, terms, nobody);
    const sockets = await handedOver();
    expect(await sockets.tries()).toBe(asInRun);
    await sockets.end();
    expect(await sockets.tries()).toBe(asInRun);
    run[Symbol.dispose]();
    expect(await sockets.tries()).toBe(none);
    control.free(cgroup.path);
    expect(await sockets.tries()).toBe(all);
    control.confine(cgroup.path, terms, nobody)[Symbol.dispose]();
    rmdirSync(cgroup.path);
    expect(await sockets.tries()).toBe(none);
    mkdirSync(cgroup.path);
    control.confine(cgroup.path, termsOf(undefined, ["10.0.0.2"]), nobody);
    expect(await sockets.tries()).toBe(none);
  });

  it("keep the run's limits while no process watches, and reach nothing once another one ends the run", async () => {
    control.confine(cgroup.path, terms, nobody);
    const sockets = await handedOver();
    await sockets.end();
    control[Symbol.dispose]();
    expect(await sockets.tries()).toBe(asInRun);
    control = newControl();
    control.release(cgroup.path);
    expect(await sockets.tries()).toBe(none);
  });

  it("keep the run's limits if its cgroup is removed before any process ends the run", async () => {
    control.confine(cgroup.path, terms, nobody);
    const sockets = await handedOver();
    await sockets.end();
    rmdirSync(cgroup.path);
    control[Symbol.dispose]();
    control = newControl();
    control.release(cgroup.path);
    mkdirSync(cgroup.path);
    expect(await sockets.tries()).toBe(asInRun);
  });
});

describe("a host", () => {
  it("can limit tasks, and says what it lacks", () => {
    expect(findEgressProblem("/sys/fs/cgroup")).toBeUndefined();
    expect(findEgressProblem(undefined)).toMatch(
      /^this host cannot limit where tasks connect: cgroup v2 is not/,
    );
  });

  it("without the right to bpf(2) says the call and its error", () => {
    const file = fileURLToPath(new URL("../../../src/effects/egress/egressMaps.ts", import.meta.url));
    const code = `import { findEgressProblem } from ${JSON.stringify(file)}; console.log(findEgressProblem("/"));`;
    // Still as root, who may read a checkout that others may not.
    const args = ["--bounding-set=-all", "--inh-caps=-all", process.execPath, "-e", code];
    const { stdout } = spawnSync("setpriv", args, { encoding: "utf8" });
    expect(stdout).toMatch(/^this host cannot limit where tasks connect \(bpf a map: EPERM\)/);
  });
});

describe("refusals", () => {
  it("are told with protocol, address, port, process, time and reason", async () => {
    const told: EgressRefusal[] = [];
    const begin = Date.now();
    control.confine(cgroup.path, termsOf(["10.0.0.0/8"], ["10.0.0.2"]), (refusal) => told.push(refusal));
    await using tries = await connector();
    await tries.try("tcp 6 2001:db8::1 443", "sendto 6 ::ffff:10.0.0.2 53");
    await until(() => told.length === 2, "the refusals are told");
    const common = { kind: "connection", pid: tries.pid, program: "python3", untold: 0 };
    expect(told.map(({ timeMs, ...rest }) => rest)).toEqual([
      { ...common, protocol: "tcp", address: "2001:db8::1", port: 443, isDenied: false },
      { ...common, protocol: "udp", address: "10.0.0.2", port: 53, isDenied: true },
    ]);
    for (const { timeMs } of told) expect(timeMs >= begin - 100 && timeMs <= Date.now() + 100).toBe(true);
  });

  it("of a flood are told in part, and counted all", { timeout: 60_000 }, async () => {
    const told: EgressRefusal[] = [];
    const run = control.confine(cgroup.path, termsOf([]), (refusal) => told.push(refusal));
    await using tries = await connector();
    const flood = 5_000;
    await tries.try(...Array<string>(flood).fill("udp 4 10.0.0.1 1"));
    // In the next second one more is told, which says how many were not.
    await until(async () => {
      await tries.try("udp 4 10.0.0.2 1");
      control.settle();
      return told.some(({ address, untold }) => address === "10.0.0.2" && untold > 0);
    }, "a refusal after the flood is told");
    const untold = told.reduce((sum, each) => sum + each.untold, 0);
    expect(untold + told.length).toBeGreaterThanOrEqual(flood);
    expect(untold + told.length).toBeLessThanOrEqual(run.refused());
    expect(told.length).toBeLessThan(flood);
    expect(told.length).toBeGreaterThanOrEqual(maxToldPerSecond);
  });

  it("of the run before, which nobody has read when an earlier process ended, are not the next run's", async () => {
    const other = new TestCgroup(`exec2-egress-test-${process.pid}-other`);
    onTestFinished(() => other.remove());
    control.confine(cgroup.path, termsOf([]), nobody);
    control.confine(other.path, termsOf([]), nobody);
    control[Symbol.dispose]();
    await using tries = await connector();
    await tries.try("udp 4 10.0.0.1 1");
    control = newControl();
    const told: EgressRefusal[] = [];
    control.confine(cgroup.path, termsOf([]), (refusal) => told.push(refusal));
    // Its ring has the refusals of both cgroups.
    expect(control.adopt(other.path, nobody)).toBeDefined();
    await tries.try("udp 4 10.0.0.2 1");
    control.settle();
    expect(told.map(({ address }) => address)).toEqual(["10.0.0.2"]);
  });

  it("can be asked for at once", async () => {
    const told: EgressRefusal[] = [];
    control.confine(cgroup.path, termsOf([]), (refusal) => told.push(refusal));
    await using tries = await connector();
    await tries.try("udp 4 10.0.0.1 1");
    control.settle();
    expect(told).toHaveLength(1);
  });
});

it("are set while a process of the cgroup makes sockets, which the list allows at all times", async () => {
  const makesSockets = `
    use Socket;
    open(my $procs, ">", "$ARGV[0]/cgroup.procs"); print $procs $$; close($procs);
    $| = 1; print "ready\n";
    my ($made, $refused) = (0, 0);
    local $SIG{TERM} = sub { print "$refused\n"; exit 0 };
    while (1) { socket(my $socket, AF_INET, SOCK_DGRAM, 0) ? $made++ : $refused++ }`;
  const child = spawn("perl", ["-e", makesSockets, cgroup.path]);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe("ready");
  for (let round = 0; round < 500; round++) {
    const run = control.confine(cgroup.path, termsOf(["10.0.0.0/8"]), nobody);
    if (round % 2 === 0) run[Symbol.dispose]();
    if (round % 100 === 0) {
      control[Symbol.dispose]();
      control = newControl();
    }
  }
  child.kill("SIGTERM");
  expect(Number((await lines.next()).value)).toBe(0);
});
