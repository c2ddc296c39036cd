/** A mounted file system that stops answering, like one of a failed file server. Needs root and /dev/fuse. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, existsSync, mkdtempSync, openSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished, type TestContext } from "vitest";
import { leaveOut } from "./requireTools.ts";

const program = join(import.meta.dirname, "../../fixtures/silentFileSystem.ts");

export interface SilentMount {
  /** The mount point. Every path below it is a folder, except names that begin with "missing". */
  readonly path: string;
  /** From now on the file system answers no request. */
  fallSilent(): Promise<void>;
}

/**
 * Mounts a file system that answers, for the duration of the test. At its end waiting processes get an error.
 */
export async function mountSilent(context: TestContext): Promise<SilentMount> {
  if (!existsSync("/dev/fuse")) leaveOut(context, "/dev/fuse");
  const path = mkdtempSync("/var/lib/exec2-silent-");
  const device = openSync("/dev/fuse", constants.O_RDWR | constants.O_NONBLOCK);
  const server = spawn(process.execPath, [program], { stdio: ["pipe", "pipe", "inherit", device] });
  const options = "fd=3,rootmode=40000,user_id=0,group_id=0,allow_other";
  const mounted = spawnSync("mount", ["-i", "-t", "fuse", "-o", options, "silent", path], {
    stdio: ["ignore", "ignore", "pipe", device],
  });
  closeSync(device);
  onTestFinished(async () => {
    server.kill("SIGKILL");
    await once(server, "exit");
    spawnSync("umount", ["-l", path]);
    rmdirSync(path);
  });
  if (mounted.status !== 0) throw new Error(`mount: ${mounted.stderr}`);
  return {
    path,
    async fallSilent() {
      server.stdin?.write("\n");
      await once(server.stdout as NonNullable<typeof server.stdout>, "data");
    },
  };
}
