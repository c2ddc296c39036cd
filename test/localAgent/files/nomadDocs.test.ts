/** `validate` refuses no job of Nomad's documentation that Nomad accepts, and names the option with which it runs. */
import { readdirSync } from "node:fs";
import { expect, it } from "vitest";
import { checkFile } from "../../../src/localAgent/files/checkFile.ts";
import { hostAccess } from "../../../src/localAgent/files/hostAccess.ts";
import { InvalidFile, jobFile } from "../../../src/localAgent/jobspec/jobFile.ts";
import {
  documentedFile,
  documentedFolder,
  documentedJobs,
  documentedSource,
} from "../../support/jobs/nomadDocs.ts";

const config = { stateDir: "/var/lib/x", pluginConfig: { unveil_by_task: true } };
const check = (name: string, given: Readonly<Record<string, string>> = {}) =>
  checkFile(
    jobFile(name, documentedSource(name), { host: hostAccess(documentedFile(name), "none") }),
    { given, environment: {} },
    config,
  );

const all = Object.entries(documentedJobs);

it.each(all.filter(([, { invalid }]) => invalid === undefined))(
  "%s is valid, and a note names what makes it run",
  async (name, { option, cannot }) => {
    const { lacking } = await check(name);
    if (option === undefined && cannot === undefined) return expect(lacking).toEqual([]);
    const { code, summary, hint } = new InvalidFile(lacking);
    expect(code).toBe("JOB_NEEDS_CLUSTER");
    if (option === undefined) return;
    // Names of parts are told as they are; other values are the user's own.
    const [flag, value] = option;
    const told = flag === "--skip" ? value : value.replace(/=.*/, "=");
    expect(`${summary} ${hint}`).toContain(`${flag} ${told}`);
  },
);

it.each(all.filter(([, { invalid }]) => invalid !== undefined))(
  "%s is refused as by Nomad, and valid with its option",
  async (name, { option, invalid }) => {
    await expect(check(name)).rejects.toThrow(invalid);
    const [, key = "", value = ""] = /^(\w+)=(.*)$/.exec(option?.[1] ?? "") ?? [];
    expect((await check(name, { [key]: value })).lacking).toEqual([]);
  },
);

it("the table has every file", () => {
  const files = readdirSync(documentedFolder);
  expect(Object.keys(documentedJobs).map((name) => `${name}.nomad.hcl`)).toEqual(files.sort());
  expect(files.length).toBeGreaterThanOrEqual(60);
});
