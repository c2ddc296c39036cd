/**
 * A task's files leave the project of their folder, and with it the limit on the task's disk. Projects, unlike their
 * limits, work on every xfs; test/vm tries the limits themselves.
 */
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { tryReadProject, trySetProject } from "../../src/effects/disk/projectQuota.ts";
import { type Agent, runTask } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import { expectRefusal, startWarmAgent } from "../support/agent/refusal.ts";
import { leaveProject } from "../support/attacks/projects.ts";
import { mountQuotaDisk, type QuotaDisk } from "../support/host/quotaDisk.ts";
import { skipLoudly } from "../support/host/requireTools.ts";
import { folderOfFile } from "../support/host/temporaryFolder.ts";

const [own, neighbour] = [1001, 1002];
const options = { allow_seccomp: ["all"] };
let agent: Agent;
let disk: QuotaDisk;
let problem: unknown;
beforeAll(async () => {
  const folder = folderOfFile("/var/lib");
  try {
    disk = mountQuotaDisk("xfs without quotas", join(folder, "image"), join(folder, "disk"));
  } catch (thrown) {
    problem = thrown;
    return;
  }
  agent = await startWarmAgent({ options: { ...options, disk_limit_missing: "warn" } });
});
beforeEach((context) => {
  if (problem !== undefined) skipLoudly(context, `a mounted file of xfs (${String(problem)})`);
});
afterAll(() => {
  if (problem === undefined) disk[Symbol.dispose]();
});

/** What the task's attempts print, and the projects that its files have afterwards. */
async function attempts(taskOptions: object, plugin = agent) {
  const allocation = makeAllocation({ dataDir: disk.path });
  const local = `${allocation.taskFolder}/local`;
  withFolder(local, (folder) => expect(trySetProject(folder, own, true)).toBeUndefined());
  await runTask(
    plugin,
    allocation.config({ command: "python3", args: ["-c", leaveProject(neighbour)], ...taskOptions }),
  );
  const projectOf = (path: string) => withFolder(path, tryReadProject);
  const files = [local, `${local}/file`, `${local}/folder`].map(projectOf);
  return { out: await allocation.stdout.text(), files };
}

function withFolder<Value>(path: string, use: (descriptor: number) => Value): Value {
  const descriptor = openSync(path, "r");
  try {
    return use(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

describe("a task's files", () => {
  test("leave their project without a limit on the task's disk", async () => {
    const { out, files } = await attempts({});
    expect(out).toContain("own file to project 0 worked\nown file to a neighbour worked\n");
    expect(out).toContain("own folder without inheritance worked\nown folder without the flag worked\n");
    expect(out).toContain("the top folder to project 0 worked\n");
    // Where the kernel has file_setattr(2), the file is in project 0 in the end.
    const elsewhere = { id: out.includes("file_setattr worked") ? 0 : neighbour, inherits: false };
    expect(files).toEqual([{ id: 0, inherits: false }, elsewhere, { id: 0, inherits: false }]);
  });

  test.each(["default", "unconfined"])("stay in it with a limit, by the profile %s", async (seccomp) => {
    expectKept(await attempts({ disk_limit: 10, seccomp }));
  });

  test("stay in it, if the job sets no limit and the operator one for all: no task fills another's", async () => {
    const limiting = { ...options, disk_limit: 10, disk_limit_missing: "warn" };
    expectKept(await attempts({}, await startWarmAgent({ options: limiting })));
  });

  function expectKept({ out, files }: Awaited<ReturnType<typeof attempts>>): void {
    const lines = out.trimEnd().split("\n");
    expect(lines).toHaveLength(8);
    for (const line of lines) expect(line).toMatch(/ EPERM$/);
    expect(files).toEqual([
      { id: own, inherits: true },
      { id: own, inherits: false },
      { id: own, inherits: true },
    ]);
  }
});

test("a file system without project quotas has a remedy in the refusal", async () => {
  const strict = await startWarmAgent({ options });
  await expectRefusal(
    strict,
    makeAllocation({ dataDir: disk.path }).config({ command: "true", disk_limit: 10 }),
    {
      code: "DISK_LIMIT_UNAVAILABLE",
      recoverable: false,
      text: /disk_limit needs project quotas: this xfs is mounted without them.*rootflags=prjquota/,
    },
  );
});
