import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { readNodeTopology } from "../../../src/effects/cgroup/nodeCores.ts";
import { assumedMhz, type HostFacts, probeHost, watchHost } from "../../../src/effects/host/hostFacts.ts";

const topology = {
  cores: [{ coreId: 0, baseMhz: 2445, maxMhz: 0, guessMhz: 0, disabled: false }],
  overrideTotalMhz: 0,
};
const probe = `const { probeHost } = await import("${import.meta.dirname}/../../../src/effects/host/hostFacts.ts");
console.log(JSON.stringify(probeHost(${JSON.stringify(topology)})));`;

/** The facts that a process sees if it is started by this wrapper. */
function factsUnder(...wrapper: string[]): HostFacts {
  const [command, ...args] = [...wrapper, process.execPath, "--input-type=module", "-e", probe];
  return JSON.parse(execFileSync(command as string, args, { encoding: "utf8" }));
}

describe("facts of this host", () => {
  it("agree with the host's own tools", () => {
    const uname = (flag: string) => execFileSync("uname", [flag], { encoding: "utf8" }).trim();
    const facts = probeHost(topology);
    expect(facts).toMatchObject({
      kernel: uname("-r"),
      bootId: readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
      root: true,
      ioWeights: expect.any(Boolean),
      psi: expect.any(Boolean),
      memfdExecution: true,
      seccomp: true,
      namespaces: { pid: true, mount: true, ipc: true },
      cores: 1,
      mhzPerCore: 2445,
      mhzKnown: true,
    });
    expect(uname("-m")).toBe({ x64: "x86_64", arm64: "aarch64" }[facts.arch]);
    expect(facts.landlockAbi).toBeGreaterThan(0);
    const mount = execFileSync("findmnt", ["-n", "-t", "cgroup2", "-o", "TARGET", "--first-only"], {
      encoding: "utf8",
    });
    expect(facts.cgroupMount).toBe(mount.trim());
  });

  it("show an unprivileged process", () => {
    // The user namespace has no mappings, so that the process can read the checkout even if only root may.
    expect(factsUnder("unshare", "--user").root).toBe(false);
  });

  it("show forbidden namespaces and memory files, and a missing cgroup2", () => {
    // The script changes mounts, limits and memfd_noexec in new namespaces, so those of the host do not
    // change.
    const script = `umount -l -a -t cgroup2 && exec unshare --user --map-root-user --pid --fork --mount-proc sh -c '
      echo 2 > /proc/sys/vm/memfd_noexec && echo 0 > /proc/sys/user/max_ipc_namespaces && exec "$@"' sh "$@"`;
    const facts = factsUnder("unshare", "--mount", "sh", "-c", script, "sh");
    expect(facts).toMatchObject({
      memfdExecution: false,
      namespaces: { pid: true, mount: true, ipc: false },
      cgroupControllers: [],
    });
    expect(facts.cgroupMount).toBeUndefined();
  });

  it("show a kernel without seccomp filters", () => {
    const script = 'mount -t tmpfs none /proc/sys/kernel/seccomp && exec "$@"';
    expect(factsUnder("unshare", "--mount", "sh", "-c", script, "sh").seccomp).toBe(false);
  });

  it("assume 1000 MHz per core if the speed is unknown", () => {
    const silent = { ...topology, cores: topology.cores.map((core) => ({ ...core, baseMhz: 0 })) };
    expect(probeHost(silent)).toMatchObject({ mhzPerCore: assumedMhz, mhzKnown: false });
  });

  it("have all online cores, each once", () => {
    const { cores, overrideTotalMhz } = readNodeTopology();
    expect(overrideTotalMhz).toBe(0);
    expect(new Set(cores.map(({ coreId }) => coreId)).size).toBe(cores.length);
    expect(cores.length).toBeGreaterThanOrEqual(availableParallelism());
    for (const core of cores) {
      for (const mhz of [core.baseMhz, core.maxMhz, core.guessMhz]) expect(Number.isInteger(mhz)).toBe(true);
    }
  });
});

describe("the watch of this host", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("emits the facts at once, and again only when they have changed", () => {
    const published: HostFacts[] = [];
    const changing = { ...topology };
    const subscription = watchHost(changing).subscribe((facts) => published.push(facts));
    expect(published).toHaveLength(1);
    vi.advanceTimersByTime(300_000);
    expect(published).toHaveLength(1);
    changing.overrideTotalMhz = 4000;
    vi.advanceTimersByTime(30_000);
    expect(published.map(({ mhzPerCore }) => mhzPerCore)).toEqual([2445, 4000]);
    subscription.unsubscribe();
  });

  it("polls only while it has subscribers", () => {
    const subscription = watchHost(topology).subscribe();
    expect(vi.getTimerCount()).toBe(1);
    subscription.unsubscribe();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("a process that watches", () => {
  it("can end while it watches", () => {
    const watch = `const { watchHost } = await import("${import.meta.dirname}/../../../src/effects/host/hostFacts.ts");
      watchHost().subscribe((facts) => console.log(facts.kernel));`;
    const output = execFileSync(process.execPath, ["--input-type=module", "-e", watch], { encoding: "utf8" });
    expect(output.trim()).toBe(probeHost(topology).kernel);
  });
});
