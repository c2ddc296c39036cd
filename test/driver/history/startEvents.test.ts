import { describe, expect, it } from "vitest";
import { defaultTaskOptions, type TaskOptions, taskSchema } from "../../../src/config/options/taskOptions.ts";
import type { TaskRequest } from "../../../src/config/task/taskRequest.ts";
import { requestedEvent, requestedOptions } from "../../../src/driver/history/startEvents.ts";
import { sampleData } from "../../support/history/history.ts";

const told = sampleData("requested");

/** The options as the log has them. */
function recorded(options: TaskOptions): TaskOptions {
  const request = { ...told, env: {}, options } as unknown as TaskRequest;
  return requestedOptions(requestedEvent(request, "", told.plugin));
}

describe("the event of a request", () => {
  it("has all options of the task, for later processes of the task, too", () => {
    const examples = Object.entries(taskSchema().shape).map(([name, field]) => [name, field.meta()?.example]);
    const options = taskSchema().parse(Object.fromEntries(examples));
    expect(recorded(options)).toEqual(options);
  });

  it("of a task without options has the defaults", () => {
    expect(recorded(defaultTaskOptions())).toEqual(defaultTaskOptions());
  });
});
