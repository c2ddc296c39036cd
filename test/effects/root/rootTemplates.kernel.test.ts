import { mkdirSync, readdirSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { identityOf } from "../../../src/effects/paths/hostPaths.ts";
import { findRootProblem, RootTemplates } from "../../../src/effects/root/rootTemplates.ts";
import type { RootTemplate } from "../../../src/effects/root/taskRoot.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

function templates(): RootTemplates {
  const roots = new RootTemplates("/run");
  onTestFinished(() => roots[Symbol.dispose]());
  return roots;
}

const withPaths = (...paths: string[]): RootTemplate => ({
  paths: paths.map((path) => ({ path, writable: false, unveiled: true })),
  links: [],
  places: [{ path: "/proc", isFolder: true }],
});

/** Mount namespaces that this process has open. */
function heldNamespaces(): readonly string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return target.startsWith("mnt:") ? [target] : [];
    } catch {
      return [];
    }
  });
}

describe("templates", () => {
  it("are created once for equal paths, even for concurrent requests, and again after they are discarded", async () => {
    const roots = templates();
    const wanted = withPaths("/usr/bin");
    const held = await Promise.all([roots.hold(wanted), roots.hold(wanted)]);
    expect(new Set(held.map(({ namespace }) => namespace)).size).toBe(1);
    const [before] = heldNamespaces();
    roots.discard(wanted);
    // A template in use stays.
    expect(heldNamespaces()).toEqual([before]);
    for (const each of held) each[Symbol.dispose]();
    await expect.poll(heldNamespaces).toEqual([]);
    using _ = await roots.hold(wanted);
    expect(heldNamespaces()).toHaveLength(1);
  });

  it("are limited to those used last, and all end with their owner", async () => {
    const roots = templates();
    const folder = temporaryFolder();
    for (let number = 0; number < 70; number += 1) {
      mkdirSync(`${folder}/${number}`);
      using _first = await roots.hold(withPaths(`${folder}/0`));
      using _ = await roots.hold(withPaths(`${folder}/${number}`));
    }
    expect(heldNamespaces()).toHaveLength(64);
    const before = heldNamespaces();
    {
      using _ = await roots.hold(withPaths(`${folder}/0`));
      expect(heldNamespaces()).toEqual(before);
    }
    roots[Symbol.dispose]();
    await expect.poll(heldNamespaces).toEqual([]);
  });

  it("detect paths that were created, removed or replaced since", async () => {
    const roots = templates();
    const [one, other] = [`${temporaryFolder()}/one`, `${temporaryFolder()}/other`];
    writeFileSync(one, "");
    using held = await roots.hold(withPaths(one, other));
    const identity = identityOf({ dev: 1, ino: 1 });
    const now = identityOf(statSync(one));
    expect(held.changedPaths(new Map([[one, now]]))).toEqual([]);
    expect(held.changedPaths(new Map([[one, identity]]))).toEqual([one]);
    expect(held.changedPaths(new Map())).toEqual([one]);
    const both = new Map([
      [one, now],
      [other, identity],
    ]);
    expect(held.changedPaths(both)).toEqual([other]);
  });

  it("leave nothing if they cannot be created, and report the failure", async () => {
    const roots = new RootTemplates("/run/no-such-folder");
    await expect(roots.hold(withPaths("/usr/bin"))).rejects.toMatchObject({
      code: "LAUNCH_FAILED",
      message: expect.stringMatching(
        /root of the task could not be made: step "make the root" failed \(mount .*ENOENT/,
      ),
    });
    expect(heldNamespaces()).toEqual([]);
    expect(await findRootProblem(roots)).toMatch(/ENOENT/);
    expect(await findRootProblem()).toBeUndefined();
  });
});
