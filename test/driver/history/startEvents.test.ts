import { describe, expect, it } from "vitest";
import { requestedEvent, requestedOptions } from "../../../src/driver/history/startEvents.ts";
import type { TaskRequest } from "../../../src/effects/launch/taskRequest.ts";
import { defaultTaskOptions, type TaskOptions, taskSchema } from "../../../src/effects/parts.ts";
import { sampleData } from "../../support/history/history.ts";

const sample = sampleData("requested");

/** The options as the log has them. */
function recorded(options: TaskOptions): TaskOptions {
  const request = { ...sample, env: {}, options } as unknown as TaskRequest;
  return requestedOptions(requestedEvent(request, "", sample.plugin));
}

describe("the event of a request", () => {
  it("has all options of the task, so that commands in the task later get them, too", () => {
    const examples = Object.entries(taskSchema().shape).map(([name, field]) => [name, field.meta()?.example]);
    const options = taskSchema().parse(Object.fromEntries(examples));
    expect(recorded(options)).toEqual(options);
  });

  it("of a task without options has the defaults", () => {
    expect(recorded(defaultTaskOptions())).toEqual(defaultTaskOptions());
  });
});
