/** An agent gives a start up, removes the task's cgroup, and makes it anew for the next start. */
import { mkdirSync, rmdirSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { NodeDisk } from "../../../src/driver/disk/nodeDisk.ts";
import { parsePluginOptions } from "../../../src/driver/options/pluginOptions.ts";
import { probeHost } from "../../../src/effects/host/hostFacts.ts";
import { prepareRun } from "../../../src/effects/launch/prepare.ts";
import { parseTaskOptions } from "../../../src/effects/parts.ts";
import { requestOf } from "../../../src/grpc/convert/requests.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { collectLogs } from "../../support/agent/taskClient.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { LateTemplates } from "../../support/lateTemplates.ts";
import { recordingLogger } from "../../support/recordingLogger.ts";

test.each([false, true])(
  "a cgroup that is made anew during a start (%s) ends it before its program runs",
  async (isReplaced) => {
    const allocation = makeAllocation();
    const { path } = allocation.cgroup;
    const config = allocation.config({});
    const options = parsePluginOptions({});
    const task = { command: "sh", args: ["-c", "echo it runs"] };
    collectLogs(config);
    using roots = new LateTemplates("/run", () => {
      if (!isReplaced) return;
      rmdirSync(path);
      mkdirSync(path);
    });
    const folder = temporaryFolder("/run");
    const preparing = prepareRun(
      { ...requestOf(config), output: { to: "agent" }, options: parseTaskOptions(task, options) },
      {
        ...{ options, roots, facts: probeHost(), denials: { problem: "off" } },
        folder: { run: folder, newRunFolder: () => `${folder}/run-of-task` },
        disk: new NodeDisk(recordingLogger(), folder),
      },
      {
        resolved: null,
        confine: async () => undefined,
        free: async () => undefined,
        release: () => undefined,
      },
    );
    if (isReplaced) {
      await expect(preparing).rejects.toMatchObject({ code: "CGROUP_MISSING", recoverable: true });
      // Nothing of the launch is left in it.
      rmdirSync(path);
      mkdirSync(path);
      return;
    }
    const { launch, undo } = await preparing;
    onTestFinished(undo);
    await launch.release();
    expect(await allocation.stdout.text()).toBe("it runs\n");
  },
);
