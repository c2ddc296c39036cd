/**
 * Tasks that use a silent file system, and tasks beside them. For example, a file system falls silent when
 * its file server is down.
 */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmdirSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, type TestContext, test } from "vitest";
import { errorOfCall } from "../../../src/grpc/status.ts";
import { type Agent, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { ExecCall, execScript } from "../../support/agent/execCall.ts";
import { volumeMount } from "../../support/agent/requests.ts";
import { leaveOut } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const agent = await startAgent({ options: { unveil_by_task: true, allow_host_root: true } });
const sleeping = { command: "sleep", args: ["1000"] };

/** Starts another task, runs a command in it and stops it, to show that the plugin still works. */
async function anotherTaskLives(beside: Agent): Promise<void> {
  const config = makeAllocation().config(sleeping);
  await startTask(beside, config);
  expect(`${(await execScript(beside, config.id, "echo up")).stdout}`).toBe("up\n");
  await stop(beside, config.id);
}

async function stop({ driver }: Agent, taskId: string): Promise<void> {
  await driver.stopTask({ taskId, timeout: { seconds: 5, nanos: 0 }, signal: "SIGKILL" });
  await driver.destroyTask({ taskId, force: true });
}

const volumeAt = (path: string) => ({ mounts: [volumeMount(path, "local/data")] });

test("starts that need a silent file system fail after a time, and delay no other task", async (context) => {
  const silent = await mountSilent(context);
  await silent.fallSilent();
  const { path } = silent;
  const link = `${temporaryFolder()}/link`;
  symlinkSync(path, link);
  const starts: Readonly<Record<string, readonly [options: object, differing?: object]>> = {
    "a volume": [sleeping, volumeAt(`${path}/data`)],
    "the root of a volume": [sleeping, volumeAt(path)],
    "a volume behind a link": [sleeping, volumeAt(`${link}/data`)],
    "an unveiled path": [{ ...sleeping, unveil: [`r:${path}/data`] }],
    "a work dir": [{ ...sleeping, work_dir: `${path}/work`, root: "host" }],
    "a command": [{ command: `${path}/bin/program` }],
    "a folder of the PATH": [sleeping, { env: { PATH: `${path}/bin:/usr/bin` } }],
  };
  const refused = Object.entries(starts).map(async ([what, [options, differing]]) => {
    const config = makeAllocation().config({ ...options }, { ...differing });
    return [what, await startTask(agent, config).catch(errorOfCall)] as const;
  });
  await anotherTaskLives(agent);
  for (const [what, error] of await Promise.all(refused)) {
    expect(error, what).toMatchObject({
      code: "FILE_SYSTEM_SILENT",
      message: expect.stringContaining(path),
      recoverable: true,
    });
  }
});

test("a start that needs the file system succeeds as long as it answers", async (context) => {
  const { path } = await mountSilent(context);
  const config = makeAllocation().config(
    { ...sleeping, unveil: [`r:${path}/data`], work_dir: "local/data/work" },
    volumeAt(path),
  );
  await startTask(agent, config);
  expect(`${(await execScript(agent, config.id, "pwd")).stdout}`).toMatch(/local\/data\/work\n$/);
  await stop(agent, config.id);
});

test("a running task on a silent file system can be inspected, stopped and recovered, and its commands delay no other task", async (context) => {
  const own = await startAgent();
  const silent = await mountSilent(context);
  const allocation = makeAllocation();
  const config = allocation.config(
    { ...sleeping, work_dir: "local/data/work" },
    volumeAt(`${silent.path}/data`),
  );
  const handle = await startTask(own, config);
  await silent.fallSilent();
  const refused = execScript(own, config.id, "true").catch((error) => error);
  await anotherTaskLives(own);
  expect(await own.driver.inspectTask({ taskId: config.id })).toBeDefined();
  expect(`${await refused}`).toContain("FILE_SYSTEM_SILENT");
  await own.crash();
  const next = await startAgent({ stateDir: own.stateDir });
  await next.driver.recoverTask({ taskId: "", handle });
  await anotherTaskLives(next);
  const ended = waitTask(next, config);
  await stop(next, config.id);
  expect(await ended).toMatchObject({ signal: 9 });
});

test("a command outside of its task's root is not looked up on a silent file system", async (context) => {
  const silent = await mountSilent(context);
  await silent.fallSilent();
  const config = makeAllocation().config(sleeping);
  await startTask(agent, config);
  const call = new ExecCall(agent, config.id, [`${silent.path}/bin/program`]);
  expect(await call.result).toMatchObject({ exitCode: 127 });
  await anotherTaskLives(agent);
});

test("a task ends although its program's path leads to a silent file system by now", async (context) => {
  const silent = await mountSilent(context);
  const folder = temporaryFolder("/var/tmp");
  chmodSync(folder, 0o755);
  symlinkSync("/bin/sleep", `${folder}/program`);
  const command = { ...sleeping, command: `${folder}/program`, unveil: [`rx:${folder}`] };
  const config = makeAllocation().config(command);
  await startTask(agent, config);
  symlinkSync(`${silent.path}/program`, `${folder}/next`);
  renameSync(`${folder}/next`, `${folder}/program`);
  statSync(`${folder}/program`);
  await silent.fallSilent();
  await stop(agent, config.id);
  await anotherTaskLives(agent);
});

test("the plugin ends normally while a start waits for a silent file system", async (context) => {
  const own = await startAgent();
  const silent = await mountSilent(context);
  await silent.fallSilent();
  const config = makeAllocation().config(sleeping, volumeAt(silent.path));
  const refused = startTask(own, config).catch((error) => error);
  await anotherTaskLives(own);
  await own.close();
  expect(await refused).toBeInstanceOf(Error);
});

const program = join(import.meta.dirname, "../../fixtures/silentFileSystem.ts");

interface SilentMount {
  /** The mount point. Every path below it is a folder, except names that begin with "missing". */
  readonly path: string;
  /** From now on the file system answers no request. */
  fallSilent(): Promise<void>;
}

/**
 * Mounts a file system that answers until the test makes it fall silent. At the test's end, processes that
 * wait for it get an error. Needs root and /dev/fuse.
 */
async function mountSilent(context: TestContext): Promise<SilentMount> {
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
