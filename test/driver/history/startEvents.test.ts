import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { requestedEvent, requestedOptions } from "../../../src/driver/history/startEvents.ts";
import type { TaskRequest } from "../../../src/effects/launch/taskRequest.ts";
import { defaultTaskOptions, type TaskOptions, taskSchema } from "../../../src/effects/parts.ts";
import { maskEvent } from "../../../src/history/replay/mask.ts";
import type { EventData } from "../../../src/machines/events.ts";
import { sampleData } from "../../support/history/history.ts";

const sample = sampleData("requested");

function requestOf(
  options: TaskOptions,
  env: TaskRequest["env"] = {},
  digestOf?: (data: string) => string,
): EventData<"requested"> {
  const request = { ...sample, output: { to: "agent" }, env, options } as unknown as TaskRequest;
  return requestedEvent(request, "digest", sample.plugin, digestOf);
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

  it("has whole arguments up to 64 KiB, and says what is left out", () => {
    const argsOf = (args: string[]) =>
      requestOf({ ...defaultTaskOptions(), command: "sh", args }).options.args;
    const long = "x".repeat(65_532);
    expect(argsOf(["-c", long])).toEqual(["-c", long]);
    expect(argsOf(["-c", `${long}xx`, "y"])).toEqual(["-c", "… 2 more arguments of 64 KiB, left out"]);
    expect(argsOf(["z".repeat(3_800_000)])).toEqual(["… 1 argument of 3.6 MiB, left out"]);
    const args = fc.array(fc.string({ maxLength: 40_000, unit: "binary" }), { maxLength: 8 });
    fc.assert(
      fc.property(args, (all) => {
        const kept = argsOf(all);
        expect(Buffer.byteLength(kept.join(" "))).toBeLessThan(65_700);
        const same = kept.filter((arg, index) => arg === all[index]);
        expect(all.slice(0, same.length)).toEqual(same);
        expect(kept.length - same.length).toBe(same.length === all.length ? 0 : 1);
      }),
      { numRuns: 30 },
    );
  });

  it("differs from another one of which only arguments that are left out differ, and has none of them", () => {
    const [head, secret] = ["x".repeat(65_534), "marker-5e0c"];
    const eventOf = (args: string[]) =>
      requestOf({ ...defaultTaskOptions(), command: "sh", args: [head, ...args] }, {}, (data) =>
        createHmac("sha256", "key").update(data).digest("hex"),
      );
    const asked = eventOf(["ab", secret]);
    expect(asked.options.args).toEqual([
      head,
      expect.stringMatching(/^… 2 more arguments of 15 B, left out \(digest [0-9a-f]{64}\)$/),
    ]);
    expect(JSON.stringify(asked)).not.toContain(secret);
    expect(asked).toEqual(eventOf(["ab", secret]));
    expect(asked).not.toEqual(eventOf(["abm", secret.slice(1)]));
    const exported = maskEvent({ type: "requested", data: asked }).data;
    expect(exported.options).toEqual({ command: "sh", args: ["…", "…"] });
  });

  it("of a task without options has the defaults", () => {
    expect(recorded(defaultTaskOptions())).toEqual(defaultTaskOptions());
  });
});
