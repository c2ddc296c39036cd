/**
 * A task's folders as a Nomad client creates them: the task's paths are bind mounts of the allocation's
 * folders, and its secrets are in a separate file system.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { onTestFinished } from "vitest";
import { makeAllocation } from "./allocation.ts";

/** An allocation whose folders have other paths in the task, for the duration of the test. */
export function boundAllocation() {
  const allocation = makeAllocation();
  const { folder, taskFolder, user } = allocation;
  const mounted = `${folder.slice(0, folder.lastIndexOf("/alloc/"))}/alloc_mounts/${allocation.id}-main`;
  mkdirSync(mounted, { recursive: true });
  chmodSync(mounted.slice(0, mounted.lastIndexOf("/")), 0o711);
  mkdirSync(`${taskFolder}/alloc`);
  mount(["-t", "tmpfs", "-o", "size=1m,noexec,nosuid,nodev", "secrets"], `${taskFolder}/secrets`);
  chownSync(`${taskFolder}/secrets`, user.uid, user.gid);
  chmodSync(`${taskFolder}/secrets`, 0o700);
  writeFileSync(`${taskFolder}/secrets/nomad_token`, "token\n", { mode: 0o644 });
  mount(["--bind", taskFolder], mounted);
  mount(["--bind", `${folder}/alloc`], `${mounted}/alloc`);
  mount(["--bind", `${taskFolder}/secrets`], `${mounted}/secrets`);
  const env = {
    NOMAD_ALLOC_DIR: `${mounted}/alloc`,
    NOMAD_TASK_DIR: `${mounted}/local`,
    NOMAD_SECRETS_DIR: `${mounted}/secrets`,
  };
  return { allocation, env, mounted };
}

/**
 * Mounts until the test has finished. Hooks run in reverse order, so the mount ends before the allocation is
 * removed.
 */
function mount(what: readonly string[], where: string): void {
  run("mount", [...what, where]);
  onTestFinished(() => run("umount", ["--lazy", where]));
}

function run(command: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed: ${stderr}`);
}
