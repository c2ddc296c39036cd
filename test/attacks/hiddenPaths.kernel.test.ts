/**
 * A job names paths in folders of the host that only root may enter. It tries to learn from the driver's
 * errors what exists there.
 */

import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { beforeEach, describe, expect, test } from "vitest";
import { errorOfCall } from "../../src/grpc/status.ts";
import { type Agent, runTask, startAgent, startTask } from "../support/agent/agent.ts";
import { type Differing, makeAllocation } from "../support/agent/allocation.ts";
import { ExecCall } from "../support/agent/execCall.ts";
import { volumeMount } from "../support/agent/requests.ts";
import { persistentFolders, temporaryFolder } from "../support/host/temporaryFolder.ts";

const agent = await startAgent({
  options: { unveil_by_task: true, allow_host_root: true, allow_root: true },
});

/**
 * A folder that belongs to root, with a folder, a file and a program that everybody could use if they could
 * enter it.
 */
let folder: string;
const names = ["nothing", "file", "folder", "program"];

beforeEach(() => {
  folder = temporaryFolder(persistentFolders);
  mkdirSync(`${folder}/folder`);
  writeFileSync(`${folder}/file`, "hidden\n", { mode: 0o644 });
  writeFileSync(`${folder}/program`, "#!/bin/sh\n", { mode: 0o755 });
  chmodSync(folder, 0o700);
});

type Job = readonly [options: object, differing?: Differing];
const sleeping = { command: "sleep", args: ["1000"] };

const questions: Readonly<Record<string, (path: string) => Job>> = {
  "a command": (path) => [{ command: path }],
  "a command in the host's tree": (path) => [{ command: path, root: "host" }],
  "a command with everything unveiled": (path) => [{ command: path, unveil: ["r:/"] }],
  "a work dir": (path) => [{ ...sleeping, work_dir: path }],
  "a work dir in the host's tree": (path) => [{ ...sleeping, work_dir: path, root: "host" }],
  "an unveiled path": (path) => [{ ...sleeping, unveil: [`r:${path}`] }],
  "a path below an unveiled one": (path) => [{ ...sleeping, unveil: [`r:${path}/more`] }],
  "an unveiled path in the host's tree": (path) => [{ ...sleeping, unveil: [`r:${path}`], root: "host" }],
  "a folder of the task": (path) => [sleeping, { env: { NOMAD_SECRETS_DIR: path } }],
  "the destination of a volume": (path) => [
    { ...sleeping, root: "host" },
    { mounts: [volumeMount("/usr/share", path, { readonly: true })] },
  ],
};

describe.each(Object.entries(questions))("the answer to %s", (_what, jobWith) => {
  test("is the same for every path, for a user who may not enter the folder", async () => {
    expect(new Set(await answers(jobWith)).size).toBe(1);
  });
});

test.each(["a command", "a work dir", "an unveiled path"])(
  "%s that the user may see gets a helpful error",
  async (what) => {
    chmodSync(folder, 0o755);
    expect(new Set(await answers(questions[what] as (path: string) => Job)).size).toBeGreaterThan(1);
  },
);

/** The error of a start with each of the paths, without the path's name. */
async function answers(jobWith: (path: string) => Job): Promise<string[]> {
  const asked = names.map(async (name) => {
    const [options, differing = {}] = jobWith(`${folder}/${name}`);
    const allocation = makeAllocation();
    const config = allocation.config({ ...options }, differing);
    const text = await startTask(agent, config).then(
      () => "started",
      (thrown) => JSON.stringify({ ...errorOfCall(thrown), message: errorOfCall(thrown).message }),
    );
    return text.replaceAll(allocation.id, "…").replaceAll(`${folder}/${name}`, "…");
  });
  return await Promise.all(asked);
}

test("a command in a running task gets the same answer", async () => {
  const config = makeAllocation().config(sleeping);
  await startTask(agent, config);
  const asked = names.map(async (name) => {
    const call = new ExecCall(agent, config.id, [`${folder}/${name}`]).closeInput();
    const { exitCode } = (await call.result) ?? {};
    return `${exitCode} ${call.stderr}`.replaceAll(`/${name}`, "/…");
  });
  expect(new Set(await Promise.all(asked)).size).toBe(1);
});

describe("a world-readable file in a folder that only root may enter", () => {
  const reading = (path: string) => ({ command: "cat", args: [path], unveil: [`r:${path}`] });

  test("cannot be read by a task whose job unveils it, because the task's own root would bypass the folder", async () => {
    const path = `${folder}/file`;
    const starting = startTask(agent, makeAllocation().config(reading(path)));
    await expect(starting).rejects.toThrow(
      /UNVEIL_PATH_MISSING: The task's user finds nothing at the path .*let this user enter the folders/s,
    );
  });

  test("can be read by a root task, and by a task whose client unveils it", async () => {
    const path = `${folder}/file`;
    expect(await outputOf(agent, reading(path), { name: "root", uid: 0, gid: 0 })).toBe("hidden\n");
    const client = await startAgent({ options: { unveil_paths: [`r:${path}`] } });
    expect(await outputOf(client, { command: "cat", args: [path] })).toBe("hidden\n");
  });
});

async function outputOf(
  from: Agent,
  options: object,
  user?: NonNullable<Parameters<typeof makeAllocation>[0]>["user"],
): Promise<string> {
  const allocation = makeAllocation(user && { user });
  await runTask(from, allocation.config({ ...options }));
  return await allocation.stdout.text();
}
