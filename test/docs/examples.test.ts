import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parsePluginOptions, pluginOptionsSpec } from "../../src/driver/options/pluginOptions.ts";
import { parseTaskOptions, taskOptionsSpec } from "../../src/effects/parts.ts";
import { specOf } from "../../src/grpc/options.ts";
import {
  attributeSpecs,
  fitPluginOptions,
  readPluginConfig,
} from "../../src/localAgent/files/pluginConfig.ts";
import type { Task } from "../../src/localAgent/jobspec/job.ts";
import { jobFile } from "../../src/localAgent/jobspec/jobFile.ts";
import { followSpec } from "../../src/localAgent/jobspec/resolve/driverConfig.ts";
import { parseJob } from "../support/parseJob.ts";

const folder = `${import.meta.dirname}/../../examples`;
const jobs = readdirSync(folder).filter((name) => name.endsWith(".nomad.hcl"));
const taskSpecs = attributeSpecs(specOf(taskOptionsSpec()));
const pluginSpecs = attributeSpecs(specOf(pluginOptionsSpec));

const client = await readPluginConfig(`${folder}/client.hcl`);
const pluginOptions = { ...client.pluginConfig, state_dir: client.stateDir };

async function tasksOf(name: string): Promise<readonly Task[]> {
  const file = jobFile(name, readFileSync(`${folder}/${name}`, "utf8"));
  const job = await parseJob(file, { given: {}, environment: {} });
  return job.groups.flatMap(({ tasks }) => tasks);
}

test.each(jobs)("%s has options that the driver takes, on a client as in client.hcl", async (name) => {
  const plugin = parsePluginOptions(fitPluginOptions(pluginOptions, pluginSpecs));
  const tasks = await tasksOf(name);
  expect(tasks).not.toEqual([]);
  for (const { config } of tasks) {
    const fitted = followSpec(config, taskSpecs);
    expect(fitted.mismatches).toEqual([]);
    expect(() => parseTaskOptions(fitted.config, plugin)).not.toThrow();
  }
});

test("every option of a task is in an example", async () => {
  const tasks = (await Promise.all(jobs.map(tasksOf))).flat();
  const used = new Set(tasks.flatMap(({ config }) => Object.keys(config)));
  expect(taskSpecs.map(({ name }) => name).filter((name) => !used.has(name))).toEqual([]);
});

test("every option of the plugin is in client.hcl", () => {
  expect(Object.keys(pluginOptions).sort()).toEqual(pluginSpecs.map(({ name }) => name).sort());
});
