/** The job files of Nomad's documentation run, as they are or with the option that `validate` names. */
import { chmodSync } from "node:fs";
import { expect, it } from "vitest";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { documentedFile, documentedJobs } from "../../support/jobs/nomadDocs.ts";
import { call } from "../../support/screen/commandLine.ts";

it.each(Object.entries(documentedJobs))("%s", async (name, { option = [], cannot, prints = "" }) => {
  const folder = temporaryFolder();
  // Tasks have users of their own.
  chmodSync(folder, 0o755);
  const given = option.map((text) => text.replace("FOLDER", folder));
  const command = ["run", "--state-dir", temporaryFolder(), ...given, documentedFile(name)];
  const { code, stdout, stderr } = await call(command);
  if (cannot !== undefined)
    return expect([code, stderr]).toEqual([125, expect.stringMatching(/^JOB_NEEDS_/)]);
  expect([code, stdout], stderr).toEqual([0, expect.stringContaining(prints)]);
});
