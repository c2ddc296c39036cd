/** Names of services in the names of checks. */
import { expect, it } from "vitest";
import { checkName } from "../../../src/localAgent/checks/groupChecks.ts";
import { jobFile } from "../../../src/localAgent/jobspec/jobFile.ts";
import { readJobFile } from "../../../src/localAgent/jobspec/readJob.ts";

const service = (name: string) => `service {
      name = "${name}"
      port = "http"
      check {
        type     = "tcp"
        interval = "5s"
        timeout  = "1s"
      }
    }`;

async function namesOf(name: string): Promise<string[]> {
  const source = `job "web" {
  group "app" {
    network {
      port "http" {}
    }
    ${service(name)}
    task "server" {
      driver = "exec2"
      config {
        command = "true"
      }
      ${service(name)}
    }
  }
}`;
  const job = await readJobFile(jobFile("t.hcl", source), { given: {}, environment: {} });
  const env = { NOMAD_JOB_NAME: "web", NOMAD_GROUP_NAME: "app", NOMAD_ALLOC_INDEX: "2" };
  return job?.groups[0]?.checks.map((check) => checkName(check, env)) ?? [];
}

it.each([
  [`\${JOB}-\${TASKGROUP}-\${TASK}`, ["web-app-group: tcp", "web-app-server: tcp"]],
  [`\${BASE}-http`, ["web-app-group-http: tcp", "web-app-server-http: tcp"]],
  [`x\${NOMAD_ALLOC_INDEX}`, ["x2: tcp", "x2: tcp"]],
  [`\${attr.unknown}`, [`\${attr.unknown}: tcp`, `\${attr.unknown}: tcp`]],
])("%s", async (name, expected) => {
  expect(await namesOf(name)).toEqual(expected);
});
