/** Volumes of another user (`idmapped_volumes`), and what is in volumes, on disks with idmapped mounts. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, copyFileSync, readdirSync, readFileSync, statSync } from "node:fs";
import { runTask, startTask } from "../../support/agent/agent.ts";
import { Allocation, makeAllocation } from "../../support/agent/allocation.ts";
import { execScript } from "../../support/agent/execCall.ts";
import { volumeMount } from "../../support/agent/requests.ts";
import { mountQuotaDisk } from "../../support/host/quotaDisk.ts";
import { hostFolder } from "../../support/host/temporaryFolder.ts";
import { rememberTask, volumeOwner, volumesStateDir } from "../support/beforeReboot.ts";
import { diskFolder, shareSlice } from "../support/prepareGuest.ts";
import { describe, test } from "../support/runner.ts";
import { resourcesOf } from "../support/runningTask.ts";
import { startVmAgent, type VmAgent } from "../support/vmAgent.ts";
import { ownedVolume, volumeOfReboot } from "../support/volumes.ts";

const options = { allow_idmapped_volumes: true };
const longLimitMs = 300_000;

let xfs: string | undefined;
const disks = {
  ext4: () => diskFolder,
  xfs: () => {
    xfs ??= mountQuotaDisk("xfs without quotas", "/run/volumes.img", "/run/disk-volumes").path;
    return xfs;
  },
};

/** A task with the volume at /srv. */
function on(source: string, script: string, isIdmapped = true) {
  const allocation = makeAllocation({ slice: shareSlice });
  const command = { command: "sh", args: ["-c", script], idmapped_volumes: isIdmapped ? ["/srv"] : [] };
  const mounts = [volumeMount(source, "/srv")];
  return {
    allocation,
    config: allocation.config(command, { mounts, resources: resourcesOf(allocation, {}) }),
  };
}

async function run(plugin: VmAgent, { allocation, config }: ReturnType<typeof on>) {
  const { exitCode } = await runTask(plugin, config);
  return { exitCode, out: await allocation.stdout.text(), err: await allocation.stderr.text() };
}

for (const [type, disk] of Object.entries(disks)) {
  describe(`volumes of another user on ${type}`, () => {
    test(
      "serve tasks of two users, over a plugin's restart",
      async () => {
        const source = ownedVolume(disk());
        const before = readFileSync("/proc/self/mountinfo", "utf8");
        const first = await startVmAgent(options);
        const names = ["one", "other"] as const;
        const tasks = [];
        for (const name of names) {
          const task = on(source, `echo ${name} > /srv/${name}; echo up; exec sleep 1000`);
          tasks.push({ ...task, handle: await startTask(first, task.config) });
          await task.allocation.stdout.contains("up\n");
        }
        const [one, other] = tasks as [(typeof tasks)[0], (typeof tasks)[0]];
        assert.notEqual(one.allocation.user.uid, other.allocation.user.uid);
        await first.crash();
        const next = await startVmAgent(options, first.stateDir);
        for (const { handle } of tasks) await next.driver.recoverTask({ taskId: "", handle });
        for (const { allocation, config } of tasks) {
          const script =
            "cd /srv; for name in one other; do echo later >> $name; done; stat -c '%n %u' one other; : > new; rm new";
          const { stdout, stderr, result } = await execScript(next, config.id, script);
          assert.deepEqual(
            { stdout: `${stdout}`, stderr: `${stderr}`, exitCode: (await result)?.exitCode },
            {
              stdout: names.map((name) => `${name} ${allocation.user.uid}\n`).join(""),
              stderr: "",
              exitCode: 0,
            },
          );
        }
        // A task of the next plugin, with a third user; and one whose user is not mapped.
        const third = on(source, "cat /srv/one; stat -c %u /srv/one; mkdir /srv/third");
        assert.deepEqual(await run(next, third), {
          exitCode: 0,
          out: `one\nlater\nlater\n${third.allocation.user.uid}\n`,
          err: "",
        });
        const { exitCode, err } = await run(next, on(source, "cat /srv/one", false));
        assert.equal(exitCode, 1);
        assert.match(err, /Permission denied/);
        for (const name of ["one", "other", "third"]) {
          const { uid, gid } = statSync(`${source}/${name}`);
          assert.deepEqual({ uid, gid }, volumeOwner);
        }
        assert.deepEqual(readdirSync(source).sort(), ["file", "one", "other", "third"]);
        for (const { config } of tasks) await next.driver.destroyTask({ taskId: config.id, force: true });
        assert.equal(readFileSync("/proc/self/mountinfo", "utf8"), before);
        await next.disconnect();
      },
      longLimitMs,
    );
  });
}

describe("a volume with a set-user-ID program of root", () => {
  test(
    "makes no task root, whether it is mapped or not, and no task leaves one",
    async () => {
      const lists = await startVmAgent({
        ...options,
        idmapped_root_volumes: [diskFolder],
        allow_seccomp: ["all"],
      });
      for (const [what, isIdmapped, owner] of [
        ["a volume as it is", false, volumeOwner],
        ["a mapped one", true, volumeOwner],
        // Here root's files, and with them the program, are the task's user's.
        ["a mapped one of root, which the operator lists", true, { uid: 0, gid: 0 }],
      ] as const) {
        const source = hostFolder(owner, diskFolder);
        chmodSync(source, 0o777);
        const program = `${source}/program`;
        copyFileSync("/usr/bin/id", program);
        chownSync(program, 0, 0);
        chmodSync(program, 0o6755);
        // It is one: without a sandbox, it is root for everybody.
        const user = ["--reuid", "20003", "--regid", "20003", "--clear-groups"];
        for (const id of ["-u", "-g"])
          assert.equal(execFileSync("setpriv", [...user, program, id], { encoding: "utf8" }), "0\n");
        const task = on(
          source,
          "cd /srv; ./program -u; ./program -g; cp program mine; for mode in 4755 2755 6755; do chmod $mode mine; done; stat -c %a mine",
          isIdmapped,
        );
        const { uid, gid } = task.allocation.user;
        const { out, err } = await run(lists, task);
        assert.equal(out, `${uid}\n${gid}\n755\n`, what);
        assert.equal(err.match(/^chmod: .*not permitted$/gm)?.length, 3, `${what}: ${err}`);
        assert.equal(statSync(`${source}/mine`).mode & 0o7777, 0o755);
        const command = { command: "/srv/program", args: ["-u"], seccomp: "unconfined" };
        const allocation = makeAllocation({ slice: shareSlice });
        const config = allocation.config(
          { ...command, idmapped_volumes: isIdmapped ? ["/srv"] : [] },
          { mounts: [volumeMount(source, "/srv")], resources: resourcesOf(allocation, {}) },
        );
        await runTask(lists, config);
        assert.equal(await allocation.stdout.text(), `${allocation.user.uid}\n`, `${what}, as the command`);
      }
      await lists.disconnect();
    },
    longLimitMs,
  );
});

describe("volumes of another user over a reboot", () => {
  test(
    "before: a task that writes to one runs when the machine is switched off",
    async () => {
      const source = volumeOfReboot();
      const plugin = await startVmAgent(options, volumesStateDir);
      // It is not removed, because the machine is switched off.
      const allocation = new Allocation({ slice: shareSlice });
      const script = "echo before > /srv/before; sync /srv/before; echo up; exec sleep 1000";
      const config = allocation.config(
        { command: "sh", args: ["-c", script], idmapped_volumes: ["/srv"] },
        { mounts: [volumeMount(source, "/srv")], resources: resourcesOf(allocation, {}) },
      );
      const handle = await startTask(plugin, config);
      await allocation.stdout.contains("up\n");
      rememberTask("mapped", { handle, pids: [] });
      execFileSync("sync");
    },
    longLimitMs,
  );
});
