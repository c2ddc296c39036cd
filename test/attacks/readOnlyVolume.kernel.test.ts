/** A job writes to a host volume that it may only read: at its place in the task, and at its source. */
import { chmodSync, mkdirSync, readdirSync } from "node:fs";
import { beforeEach, describe, expect, test } from "vitest";
import { type Agent, runTask, startAgent } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import { volumeMount } from "../support/agent/requests.ts";
import { hostFolder } from "../support/host/temporaryFolder.ts";

let source: string;
beforeEach(() => {
  source = `${hostFolder()}/data`;
  mkdirSync(source);
  chmodSync(source, 0o777);
});

/** Tries to plant a file in the folder. */
async function plant(agent: Agent, folder: string, { readonly = true, job = {} } = {}): Promise<string> {
  const allocation = makeAllocation();
  const script = `echo planted > ${folder}/file && echo written`;
  const options = { command: "sh", args: ["-c", script], ...job };
  await runTask(
    agent,
    allocation.config(options, { mounts: [volumeMount(source, "local/data", { readonly })] }),
  );
  return `${await allocation.stdout.text()}${await allocation.stderr.text()}`;
}

describe.each(["private", "host"])("with the root %s", async (root) => {
  const agent = await startAgent({ options: { root, unveil_by_task: true } });

  test("is written to if it is not read-only, and else is not", async () => {
    expect(await plant(agent, "$NOMAD_TASK_DIR/data")).toContain("Read-only file system");
    expect(readdirSync(source)).toEqual([]);
    expect(await plant(agent, "$NOMAD_TASK_DIR/data", { readonly: false })).toBe("written\n");
  });

  test("has a source that is not there", async () => {
    expect(await plant(agent, source)).toMatch(/nonexistent|No such file|Permission denied|Read-only/);
    expect(readdirSync(source)).toEqual([]);
  });

  test("with unveil_by_task alone, is written to at its source: a known gap", async () => {
    expect(await plant(agent, source, { job: { unveil: [`rwc:${source}`] } })).toBe("written\n");
  });

  test("has no source for a job that the operator's list does not give it", async () => {
    const listing = await startAgent({ options: { root, unveil_allowed: [`r:${source}`] } });
    const job = { unveil: [`rwc:${source}`] };
    await expect(plant(listing, source, { job })).rejects.toMatchObject({
      details: expect.stringContaining("UNVEIL_NOT_ALLOWED"),
    });
    expect(readdirSync(source)).toEqual([]);
  });
});
