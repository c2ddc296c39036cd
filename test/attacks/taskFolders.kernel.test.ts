/**
 * A job's environment names the task's folders by a link that another task can turn: to the task's own folder
 * while the driver checks it, and to a neighbour's when it is mounted.
 */
import { chmodSync, lchownSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { runTask, startAgent } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import { persistentFolders, temporaryFolder } from "../support/host/temporaryFolder.ts";

test("such a link leads to the neighbour as soon as it is turned", () => {
  const [own, victim] = [makeAllocation(), makeAllocation()];
  const folder = temporaryFolder();
  writeFileSync(`${victim.taskFolder}/local/file`, "secret\n");
  symlinkSync(own.taskFolder, `${folder}/link`);
  expect(() => readFileSync(`${folder}/link/local/file`)).toThrow("ENOENT");
  symlinkSync(victim.taskFolder, `${folder}/turned`);
  renameSync(`${folder}/turned`, `${folder}/link`);
  expect(readFileSync(`${folder}/link/local/file`, "utf8")).toBe("secret\n");
});

test("a link of another user than root is refused, and a link of the operator is not", async () => {
  const agent = await startAgent({ options: { root: "host" } });
  const folder = temporaryFolder(persistentFolders);
  chmodSync(folder, 0o755);
  const start = (owner: number) => {
    const allocation = makeAllocation();
    const link = `${folder}/link-${owner}`;
    symlinkSync(allocation.taskFolder, link);
    lchownSync(link, owner, owner);
    const env = { NOMAD_TASK_DIR: `${link}/local`, NOMAD_SECRETS_DIR: `${link}/secrets` };
    return runTask(agent, allocation.config("true", { env }));
  };
  await expect(start(81_234)).rejects.toMatchObject({
    details: expect.stringMatching(/CONFIG_INVALID: NOMAD_TASK_DIR .* is not the task's own folder/),
  });
  await expect(start(0)).resolves.toMatchObject({ exitCode: 0 });
});
