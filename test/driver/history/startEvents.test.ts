import { describe, expect, it } from "vitest";
import { requestedEvent, requestedOptions } from "../../../src/driver/history/startEvents.ts";
import type { TaskRequest } from "../../../src/effects/launch/taskRequest.ts";
import { defaultTaskOptions, type TaskOptions, taskSchema } from "../../../src/effects/parts.ts";
import { maskEvent } from "../../../src/history/replay/mask.ts";
import type { EventData } from "../../../src/machines/events.ts";
import { sampleData } from "../../support/history/history.ts";

const sample = sampleData("requested");

function requestOf(options: TaskOptions, env: TaskRequest["env"] = {}): EventData<"requested"> {
  const request = { ...sample, env, options } as unknown as TaskRequest;
  return requestedEvent(request, "digest", sample.plugin);
}

/** The options as the log has them. */
function recorded(options: TaskOptions): TaskOptions {
  return requestedOptions(requestOf(options));
}

describe("the event of a request", () => {
  it("has all options of the task, so that commands in the task later get them, too", () => {
    const examples = Object.entries(taskSchema().shape).map(([name, field]) => [name, field.meta()?.example]);
    const options = taskSchema().parse(Object.fromEntries(examples));
    expect(recorded(options)).toEqual(options);
  });

  it("has the options that the job set, by their names in job files", () => {
    const { options } = requestOf({ ...defaultTaskOptions(), command: "sh", workDir: "/srv", pidsLimit: 9 });
    expect(options).toEqual({ command: "sh", args: [], work_dir: "/srv", pids_limit: 9 });
  });

  it("has the names of the variables and a digest, and no value; its export has no argument", () => {
    const secret = "marker-5e0c";
    const env = { TOKEN: secret, [`ODD=${secret}`]: "x" };
    const args = ["-c", `echo ${secret}`];
    const asked = requestOf({ ...defaultTaskOptions(), command: "sh", args }, env);
    expect(asked.envKeys).toEqual(["ODD", "TOKEN"]);
    expect(asked.envDigest).toBe("digest");
    const { options, ...others } = asked;
    expect(options.args).toEqual(args);
    expect(JSON.stringify(others)).not.toContain(secret);
    const exported = maskEvent({ type: "requested", data: asked }).data;
    expect(JSON.stringify(exported)).not.toContain(secret);
    expect(exported.options).toEqual({ command: "sh", args: ["…", "…"] });
  });

  it("of a task without options has the defaults", () => {
    expect(recorded(defaultTaskOptions())).toEqual(defaultTaskOptions());
  });
});
