/** A deprecated option is told wherever people look. A real option's descriptor gets what a later version's would have. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { optionTable } from "../../../scripts/generateConfiguration.ts";
import { optionSchema } from "../../../scripts/schemas/optionSchema.ts";
import {
  deprecatedInHistories,
  deprecatedOfPlugin,
} from "../../../src/cli/commands/doctor/deprecatedOptions.ts";
import { Driver } from "../../../src/driver/driver.ts";
import { messageOfDeprecated } from "../../../src/driver/messages/taskMessages.ts";
import { parsePluginOptions, pluginSchema } from "../../../src/driver/options/pluginOptions.ts";
import { taskSchema } from "../../../src/effects/parts.ts";
import { bundleLines } from "../../../src/history/replay/bundle/exportBundle.ts";
import { checkFile } from "../../../src/localAgent/files/checkFile.ts";
import { jobFile } from "../../../src/localAgent/jobspec/jobFile.ts";
import { initialSnapshot, step } from "../../../src/machines/taskMachine.ts";
import { numberedId, requestWith } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { deprecate } from "../../support/options/deprecate.ts";
import { recordingLogger } from "../../support/recordingLogger.ts";

const deprecation = { since: "1.2.0", instead: "use io" };
const noVariables = { given: {}, environment: {} };
const requested = (options: object) => step(initialSnapshot, requestWith(options)).snapshot.context;

describe("an option of jobs that is deprecated", () => {
  beforeEach(() => deprecate(taskSchema(), "nice", deprecation));

  it("is told at a start that uses it, and at no other", () => {
    expect(messageOfDeprecated(requested({ command: "true", args: [], nice: 5 }))).toEqual({
      message: "Option nice is deprecated since 1.2.0: use io",
      annotations: { deprecated: "nice" },
    });
    expect(messageOfDeprecated(requested({ command: "true", args: [], umask: "077" }))).toBeUndefined();
  });

  it("is a warning of validate, at its place", async () => {
    const warningsIn = async (config: string) => {
      const source = `job "j" {\n  group "g" {\n    task "t" {\n      driver = "exec2"\n      config {\n        command = "true"\n        ${config}\n      }\n    }\n  }\n}\n`;
      const file = jobFile("t.hcl", source);
      return (await checkFile(file, noVariables, { stateDir: "/x", pluginConfig: {} })).warnings;
    };
    expect(await warningsIn("nice = 5")).toMatchObject([
      {
        place: "job.j.group.g.task.t.config.nice",
        message: "it is deprecated since 1.2.0: use io",
        position: { line: 7 },
      },
    ]);
    expect(await warningsIn('umask = "077"')).toEqual([]);
  });

  it("is named by doctor with the jobs whose histories have it", async () => {
    const log = new RecordedLog();
    const requests = [
      { jobId: "db", options: { command: "true", args: [], nice: 5 } },
      { jobId: "api", options: { command: "true", args: [], nice: 1 } },
      { jobId: "other", options: { command: "true", args: [], umask: "077" } },
    ];
    requests.forEach(({ jobId, options }, index) => {
      const request = requestWith(options);
      log.add(numberedId(index), [{ ...request, data: { ...request.data, jobId } } as typeof request]);
    });
    const reader = log.reader();
    const streams = log.heads.map((head) => ({ head, reader }));
    const bundle = join(temporaryFolder(), "bundle.jsonl");
    writeFileSync(
      bundle,
      [...bundleLines(streams, { mask: false, now: 0 })].map((line) => `${line}\n`).join(""),
    );
    expect(await deprecatedInHistories(bundle)).toEqual([
      {
        what: "the option nice of jobs api, db is deprecated since 1.2.0",
        consequence: "a later version will not have it, and their tasks then fail to start",
        remedy: "Instead of nice: use io",
      },
    ]);
    expect(await deprecatedInHistories(join(temporaryFolder(), "none"))).toEqual([]);
  });

  it("is marked in the documentation and in the schema for editors", () => {
    expect(optionTable(taskSchema())).toMatch(/^\| `nice` \|.*\| deprecated since 1\.2\.0: use io\. /m);
    const { properties = {} } = optionSchema("", taskSchema());
    expect(properties.nice).toMatchObject({
      deprecated: true,
      description: expect.stringMatching(/^deprecated since/),
    });
    expect(properties.umask).not.toHaveProperty("deprecated");
    expect(properties.nice).not.toHaveProperty("deprecation");
  });
});

describe("an option of the plugin that is deprecated", () => {
  beforeEach(() => deprecate(pluginSchema, "allowRoot", deprecation));
  const used = { allow_root: true, state_dir: "/proc/none/state" };

  it("is a line of the agent's log when the plugin is configured with it", async () => {
    const linesFor = async (options: object) => {
      const log = recordingLogger();
      const driver = new Driver(
        log,
        "/none",
        async () => false as never,
        async () => [],
      );
      await driver.configure(parsePluginOptions(options), { cores: [] } as never);
      await driver.shutdown();
      return log.lines.filter(({ message }) => message.includes("deprecated"));
    };
    expect(await linesFor(used)).toEqual([
      {
        level: "warn",
        message: "the plugin block has a deprecated option",
        fields: { option: "allow_root", ...deprecation },
      },
    ]);
    expect(await linesFor({ ...used, allow_root: false })).toEqual([]);
  });

  it("is a problem that doctor names, and a warning of validate", async () => {
    expect(deprecatedOfPlugin(parsePluginOptions(used))).toMatchObject([
      { what: "the option allow_root of the plugin block is deprecated since 1.2.0" },
    ]);
    expect(deprecatedOfPlugin(parsePluginOptions({}))).toEqual([]);
    const file = jobFile(
      "c.hcl",
      'plugin "nomad-driver-exec2" {\n  config {\n    allow_root = true\n  }\n}\n',
    );
    const { warnings } = await checkFile(file, noVariables, { stateDir: "/x", pluginConfig: {} });
    expect(warnings).toMatchObject([{ place: "plugin.config.allow_root", position: { line: 3 } }]);
  });
});

it("no option keeps what a test has planted", () => {
  expect(optionTable(taskSchema())).not.toContain("deprecated since");
});
