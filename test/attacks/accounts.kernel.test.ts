/** An account of the host is a permission: a task that runs as it reads its files. */
import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { errorOfCall } from "../../src/grpc/status.ts";
import { runTask, startAgent, startTask } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import { persistentFolders, temporaryFolder } from "../support/host/temporaryFolder.ts";

/** In every Debian. */
const account = { name: "daemon", uid: 1, gid: 1 };

test("a task reads an account's own files only if the client allows the account", async () => {
  const folder = temporaryFolder(persistentFolders);
  chmodSync(folder, 0o755);
  mkdirSync(`${folder}/own`, { mode: 0o700 });
  writeFileSync(`${folder}/own/file`, "of the account", { mode: 0o600 });
  for (const path of [`${folder}/own/file`, `${folder}/own`]) chownSync(path, account.uid, account.gid);
  const reading = { command: "cat", args: [`${folder}/own/file`], unveil: [`r:${folder}/own`] };
  const agentWith = (options: object) => startAgent({ options: { unveil_by_task: true, ...options } });

  for (const options of [{}, { allowed_users: ["dae*"] }, { allowed_users: ["nobody", "daemon"] }]) {
    const allocation = makeAllocation({ user: account });
    await runTask(await agentWith(options), allocation.config(reading));
    expect(await allocation.stdout.text()).toBe("of the account");
  }
  for (const allowed of [[], ["daemo"], ["*x"]]) {
    const agent = await agentWith({ allowed_users: allowed });
    const refused = await startTask(agent, makeAllocation({ user: account }).config(reading)).catch(
      errorOfCall,
    );
    expect(refused).toMatchObject({
      code: "USER_FORBIDDEN",
      message: expect.stringContaining("allowed_users"),
    });
    const unknown = makeAllocation({ user: { ...account, name: "no-such-user" } });
    expect(await startTask(agent, unknown.config("true")).catch(errorOfCall)).toMatchObject({
      code: "USER_FORBIDDEN",
    });
    expect(await runTask(agent, makeAllocation().config("true"))).toMatchObject({ exitCode: 0 });
  }
});
