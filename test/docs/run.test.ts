/** run.md's figures of the job files of Nomad's documentation are those of their table. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { documentedJobs } from "../support/jobs/nomadDocs.ts";

const page = readFileSync(`${import.meta.dirname}/../../docs/run.md`, "utf8");

it("counts the job files that are valid, and that run", () => {
  const jobs = Object.values(documentedJobs);
  const count = (isCounted: (job: (typeof jobs)[number]) => boolean) => jobs.filter(isCounted).length;
  const asTheyAre = count(({ option, cannot }) => option === undefined && cannot === undefined);
  expect(page).toContain(
    `Of ${jobs.length} job files that use what Nomad's documentation shows, ` +
      `\`validate\` refuses ${count(({ invalid }) => invalid !== undefined)}, as Nomad does; ` +
      `${asTheyAre} run as they are, ${count(({ option }) => option !== undefined)} with the one option that ` +
      `\`run\` names, and ${count(({ cannot }) => cannot !== undefined)} cannot run here`,
  );
});
