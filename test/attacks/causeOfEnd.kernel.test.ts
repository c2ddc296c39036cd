/**
 * A task chooses what its output names, and the driver looks there to find out why the task has failed. Its answer
 * must not tell what is in folders that are closed to the task's user.
 */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { runTask, startAgent } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import { eventsOf } from "../support/history/eventLog.ts";
import { hostFolder } from "../support/host/temporaryFolder.ts";

describe.each(["No such file or directory", "Permission denied"])("the cause after %j", async (error) => {
  const agent = await startAgent({ options: { unveil_by_task: true } });

  /** The cause of a task that names a path, without the path's last name. */
  async function causeWith(folder: string, name: string): Promise<string> {
    const allocation = makeAllocation();
    const path = `${folder}/inner/${name}`;
    const script = `echo "cat: ${path}: ${error}" >&2; sleep 1; exit 1`;
    const config = allocation.config({
      ...{ command: "sh", args: ["-c", script] },
      unveil: [`r:${folder}`],
    });
    allocation.stderr.keepFile();
    await runTask(agent, config);
    const exited = (await eventsOf(agent.stateDir, config.id)).find(({ type }) => type === "exited");
    return JSON.stringify(exited?.data)
      .replaceAll(path, "…")
      .replaceAll(/"(time|endedAt)":\d+/g, "");
  }

  const textOf = (data: string) => /"cause":({.*?),"line"/.exec(data)?.[1];

  test("is the same for every path in a folder that is closed to the user, below an unveiled one", async () => {
    const folder = folderWith(0o700);
    const [there, missing] = [await causeWith(folder, "file"), await causeWith(folder, "nothing")];
    expect(textOf(there)).toMatch(/"text":/);
    expect(textOf(there)).toBe(textOf(missing));
  });

  test("tells what is in a folder that is open to the user", async () => {
    const folder = folderWith(0o755);
    expect(textOf(await causeWith(folder, "file"))).not.toBe(textOf(await causeWith(folder, "nothing")));
  });
});

/** A folder with a folder of this mode, in which there is a file of root. */
function folderWith(mode: number): string {
  const folder = hostFolder();
  mkdirSync(`${folder}/inner`);
  writeFileSync(`${folder}/inner/file`, "", { mode: 0o600 });
  chmodSync(`${folder}/inner`, mode);
  return folder;
}
