/**
 * Vulnerabilities of other runtimes. Each group of tests first recreates a vulnerability with the runtime's
 * steps, then tries it against this driver. Three vulnerabilities have their own test files: runc's
 * CVE-2019-5736 is in runnerOverwrite, runc's CVE-2024-21626 in workDir, and Nomad's CVE-2026-6959 in
 * logFolder.
 */

import { execFileSync, spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { errorOfCall } from "../../src/grpc/status.ts";
import { pidOf, runTask, startAgent, startTask } from "../support/agent/agent.ts";
import { type Allocation, makeAllocation } from "../support/agent/allocation.ts";
import { execScript } from "../support/agent/execCall.ts";
import { volumeMount } from "../support/agent/requests.ts";
import { prepareStart } from "../support/agent/taskClient.ts";
import { procStatus } from "../support/host/processes.ts";
import { persistentFolders, temporaryFolder } from "../support/host/temporaryFolder.ts";
import { programEntry } from "../support/plugin/pluginEntry.ts";

/** Runs a script as root in a new mount namespace, as the runtimes prepare a container. */
function inNamespace(script: string): string {
  return execFileSync("unshare", ["-m", "sh", "-c", script], { encoding: "utf8" });
}

/** A volume whose content the job controls. */
function volumeAt(target: string, content: (folder: string) => void) {
  const hostPath = temporaryFolder(persistentFolders);
  content(hostPath);
  return [volumeMount(hostPath, target)];
}

const root = { name: "root", uid: 0, gid: 0 };
const rooted = await startAgent({
  options: { allow_root: true, allow_caps: ["all"], unveil_paths: ["rw:/proc"] },
});
const agent = await startAgent({ options: { writable_logs: true } });

describe("a link in place of the file that masks files of /proc, as in runc's CVE-2025-31133", () => {
  const linksIn = (folder: string) => symlinkSync("/proc/sys/kernel/ostype", `${folder}/null`);

  test("shows its target if the mask is opened in the container", () => {
    const folder = temporaryFolder();
    linksIn(folder);
    writeFileSync(`${folder}/masked`, "");
    expect(inNamespace(`mount --bind ${folder}/null ${folder}/masked; cat ${folder}/masked`)).toBe("Linux\n");
  });

  test("has no effect, because the driver's mask is a file of the host", async () => {
    const allocation = makeAllocation({ user: root });
    const script =
      "readlink /dev/null; cat /proc/keys /proc/timer_list /proc/interrupts; cat /proc/kcore | head -c 9";
    const outcome = await runWith(allocation, script, volumeAt("/dev", linksIn));
    expect(outcome).toBe("/proc/sys/kernel/ostype\n");
  });
});

describe("a link in place of a terminal's folder, as in runc's CVE-2025-52565", () => {
  test("moves the mount to its target if the runtime follows links", () => {
    const folder = temporaryFolder();
    mkdirSync(`${folder}/elsewhere`);
    symlinkSync(`${folder}/elsewhere`, `${folder}/pts`);
    expect(inNamespace(`mount -t devpts devpts ${folder}/pts; ls ${folder}/elsewhere`)).toBe("ptmx\n");
  });

  test("is not followed for a command's terminal", async () => {
    const allocation = makeAllocation();
    mkdirSync(`${allocation.taskFolder}/local/elsewhere`);
    const elsewhere = `${allocation.taskFolder}/local/elsewhere`;
    const mounts = volumeAt("/dev", (folder) => {
      symlinkSync(elsewhere, `${folder}/pts`);
      symlinkSync(elsewhere, `${folder}/shm`);
    });
    const config = allocation.config("exec sleep 1000", { mounts });
    await startTask(agent, config);
    const call = await execScript(agent, config.id, "tty; ls local/elsewhere", {
      tty: true,
    });
    // Without its folder the terminal exists, but has no name.
    expect(`${call.stdout}`).toBe("not a tty\r\n");
  });
});

describe("a fake /proc of the job, as in runc's CVE-2025-52881", () => {
  test("gets the data if the runtime writes to /proc by its path", () => {
    const folder = temporaryFolder();
    mkdirSync(`${folder}/self`);
    writeFileSync(`${folder}/self/oom_score_adj`, "");
    const script = `mount --bind ${folder} /proc; echo 500 > /proc/self/oom_score_adj`;
    inNamespace(script);
    expect(readFileSync(`${folder}/self/oom_score_adj`, "utf8")).toBe("500\n");
  });

  test.each(["/proc", "/proc/self", "/proc/sys/kernel", "//proc/./self/attr"])(
    "is refused as a volume at %s",
    async (target) => {
      const allocation = makeAllocation();
      const mounts = volumeAt(target, () => undefined);
      const refused = await startTask(agent, allocation.config("true", { mounts })).catch(errorOfCall);
      expect(refused).toMatchObject({ code: "MOUNT_TARGET_INVALID" });
    },
  );

  test("is refused as a volume behind a link that leads to /proc", async () => {
    const allocation = makeAllocation();
    symlinkSync("/proc", `${allocation.taskFolder}/local/p`);
    const mounts = volumeAt("local/p/self", () => undefined);
    const refused = await startTask(agent, allocation.config("true", { mounts })).catch(errorOfCall);
    expect(refused).toMatchObject({ code: expect.stringMatching(/^(LAUNCH_FAILED|MOUNT_TARGET_INVALID)$/) });
  });

  test("does not prevent the driver's settings for the task", async () => {
    const allocation = makeAllocation();
    const mounts = volumeAt("local/volume", () => undefined);
    const command = { command: "sleep", args: ["1000"], oom_score_adj: 321 };
    const config = allocation.config(command, { mounts });
    await startTask(agent, config);
    const pid = await pidOf(agent, config);
    expect(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8")).toBe("321\n");
  });
});

describe("capabilities that the runtime inherits, as in crun's CVE-2022-27650 and Docker's CVE-2022-24769", () => {
  const inheriting = ["--inh-caps", "+net_raw,+sys_admin"];

  test("are inherited unless a program drops them", () => {
    const { stdout } = spawnSync("setpriv", [...inheriting, "grep", "CapInh", "/proc/self/status"]);
    expect(`${stdout}`).not.toMatch(/CapInh:\t0+$/m);
  });

  test("reach no task", async () => {
    const careless = await startAgent({
      entry: "/usr/bin/setpriv",
      args: [...inheriting, process.execPath, programEntry],
    });
    const config = makeAllocation().config("exec sleep 1000");
    await startTask(careless, config);
    const none = "0".repeat(16);
    const status = procStatus(await pidOf(careless, config));
    expect(status).toMatchObject({ CapInh: none, CapPrm: none, CapEff: none, CapAmb: none });
  });
});

describe("a link in place of a file that the runtime makes, as in crun's CVE-2025-24965", () => {
  test("lets the runtime write to a host file if it follows links", () => {
    const [folder, victim] = [temporaryFolder(), `${temporaryFolder()}/root-only`];
    symlinkSync(victim, `${folder}/.config.json`);
    writeFileSync(`${folder}/.config.json`, "{}");
    expect(readFileSync(victim, "utf8")).toBe("{}");
  });

  test("does not make the driver create a folder behind it", async () => {
    const [allocation, victim] = [makeAllocation(), temporaryFolder()];
    symlinkSync(victim, `${allocation.taskFolder}/local/data`);
    const mounts = volumeAt("local/data/made", () => undefined);
    const refused = await startTask(agent, allocation.config("true", { mounts })).catch(errorOfCall);
    expect(refused).toMatchObject({ code: expect.stringMatching(/^(LAUNCH_FAILED|MOUNT_TARGET_INVALID)$/) });
    expect(spawnSync("ls", ["-A", victim], { encoding: "utf8" }).stdout).toBe("");
  });
});

describe("a link in place of a log pipe, as in HashiCorp's driver's CVE-2026-8052", () => {
  /**
   * Puts the link in place of the pipe. The agent already reads the pipe, but the next task has not started.
   */
  async function planted() {
    const victim = `${temporaryFolder()}/root-only`;
    writeFileSync(victim, "", { mode: 0o600 });
    const allocation = makeAllocation();
    const next = await prepareStart(agent.driver, allocation.config("echo a line of the task\\'s choice"));
    const { path } = allocation.stdout;
    const silent = { stdoutPath: "/dev/null", stderrPath: "/dev/null" };
    const earlier = allocation.config(`rm ${path} && ln -s ${victim} ${path}`, silent);
    expect(await runTask(agent, earlier)).toMatchObject({ exitCode: 0 });
    return { path, next, written: () => readFileSync(victim, "utf8") };
  }

  test("lets root write to a host file if root opens the pipe by its path", async () => {
    const { path, written } = await planted();
    appendFileSync(path, "a line of the task's choice\n");
    expect(written()).toBe("a line of the task's choice\n");
  });

  test("gets neither the task's output nor the error of its start", async () => {
    const { next, written } = await planted();
    const refused = await agent.driver.startTask({ task: next }).catch(errorOfCall);
    expect(refused).toMatchObject({ code: "LOG_PIPE_UNSAFE" });
    expect(written()).toBe("");
  });
});

/** The output of a task with a volume, or the error of its start. */
async function runWith(
  allocation: Allocation,
  script: string,
  mounts: ReturnType<typeof volumeAt>,
): Promise<string> {
  const error = await runTask(rooted, allocation.config(script, { mounts })).then(
    () => undefined,
    errorOfCall,
  );
  return error === undefined ? allocation.stdout.text() : `${error.code}: ${error.message}`;
}
