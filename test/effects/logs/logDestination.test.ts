import { describe, expect, test } from "vitest";
import { logDestination } from "../../../src/effects/logs/options.ts";
import { errorOf } from "../../support/errors.ts";

const mib = 2 ** 20;
const plugin = {
  ...{ writableLogs: false, logMaxFiles: 10, logMaxFileSize: 10, logRate: 64, allowJournald: false },
  keepOutput: "none",
  logCollection: "driver",
} as const;
const agents = { ...plugin, logCollection: "agent" } as const;
const request = {
  taskName: "web",
  jobId: "shop",
  allocDir: "/data/alloc/6f2d",
  stdoutPath: "/data/alloc/6f2d/alloc/logs/.web.stdout.fifo",
  stderrPath: "/data/alloc/6f2d/alloc/logs/.web.stderr.fifo",
};
const { stdoutPath, stderrPath } = request;
const disabled = { ...request, stdoutPath: "/dev/null", stderrPath: "/dev/null" };

describe("logDestination", () => {
  test("leaves the output to the agent where the agent collects", () => {
    const expected = { stdoutPath, stderrPath, output: { to: "agent" } };
    expect(logDestination(request, {}, agents)).toEqual(expected);
    expect(logDestination(request, { logCollection: "agent" }, agents)).toEqual(expected);
  });

  test("lets the driver write the files where the plugin says so", () => {
    const bounds = { maxFiles: 10, maxFileBytes: 10 * mib, bytesPerSecond: 64 * mib };
    expect(logDestination(request, {}, plugin)).toEqual({
      stdoutPath,
      stderrPath,
      output: { to: "files", bounds },
    });
    expect(logDestination(request, { logCollection: "driver" }, plugin)).toEqual({
      ...{ stdoutPath, stderrPath, output: { to: "files", bounds } },
    });
  });

  test.each([plugin, agents])("keeps no output of a job that has logs disabled", (options) => {
    const { stdoutPath, stderrPath } = disabled;
    expect(logDestination(disabled, {}, options)).toEqual({
      stdoutPath,
      stderrPath,
      output: { to: "agent" },
    });
  });

  test.each([plugin, agents])(
    "keeps it if the task itself asks the driver, where an agent would",
    (options) => {
      const task = { logCollection: "driver", logMaxFiles: 2, logMaxFileSize: 1 } as const;
      const bounds = { maxFiles: 2, maxFileBytes: mib, bytesPerSecond: 64 * mib };
      expect(logDestination(disabled, task, options)).toEqual({
        stdoutPath,
        stderrPath,
        output: { to: "files", bounds },
      });
    },
  );

  test("refuses two writers of the same files, and says what to do", () => {
    const { code, message } = errorOf(() => logDestination(request, { logCollection: "driver" }, agents));
    expect(code).toBe("CONFIG_INVALID");
    expect(message).toContain("both would write the same files");
    expect(message).toContain("logs { disabled = true }");
  });

  test("refuses a task that leaves its output to an agent that does not collect it", () => {
    const { code, message } = errorOf(() => logDestination(request, { logCollection: "agent" }, plugin));
    expect(code).toBe("CONFIG_INVALID");
    expect(message).toContain("nobody would write its log files");
  });

  test.each([
    [{ logMaxFiles: 11 }, 'has option "log_max_files" 11, but this client allows 10'],
    [{ logMaxFileSize: 11 }, 'has option "log_max_file_size" 11 MiB, but this client allows 10 MiB'],
  ])("refuses more than the plugin allows: %j", (task, problem) => {
    const { code, message } = errorOf(() => logDestination(request, task, plugin));
    expect(code).toBe("CONFIG_INVALID");
    expect(message).toContain(problem);
  });

  describe("to journald", () => {
    const asks = { logCollection: "journald" } as const;
    const stream = { identifier: "shop.web", namespace: null };

    test.each([
      ["where the plugin says so", {}, { ...plugin, ...asks }],
      ["where the plugin allows it and the agent collects", asks, { ...agents, allowJournald: true }],
      ["where the plugin allows it and the driver collects", asks, { ...plugin, allowJournald: true }],
    ])("sends the output %s", (_, task, options) => {
      const expected = { stdoutPath, stderrPath, output: { to: "journald", stream } };
      expect(logDestination(request, task, options)).toEqual(expected);
    });

    test("sends that of a job that has logs disabled only if the task asks for it", () => {
      const options = { ...plugin, ...asks };
      expect(logDestination(disabled, {}, options).output).toEqual({ to: "agent" });
      const expected = { stdoutPath, stderrPath, output: { to: "journald", stream } };
      expect(logDestination(disabled, asks, options)).toEqual(expected);
      expect(logDestination(disabled, asks, { ...agents, allowJournald: true })).toEqual(expected);
    });

    test("leaves a task that asks the driver for log files to the driver", () => {
      const bounds = { maxFiles: 10, maxFileBytes: 10 * mib, bytesPerSecond: 64 * mib };
      const options = { ...plugin, ...asks };
      const expected = { stdoutPath, stderrPath, output: { to: "files", bounds } };
      expect(logDestination(request, { logCollection: "driver" }, options)).toEqual(expected);
    });

    test("sends it to the plugin's journal namespace", () => {
      const options = { ...plugin, ...asks, journalNamespace: "nomad" };
      expect(logDestination(request, {}, options).output).toEqual({
        to: "journald",
        stream: { ...stream, namespace: "nomad" },
      });
    });

    test.each([plugin, agents])("sends nothing that the plugin does not allow", (options) => {
      const { code, message } = errorOf(() => logDestination(request, asks, options));
      expect(code).toBe("CONFIG_INVALID");
      expect(message).toContain('has option "log_collection", which this client does not allow');
      expect(message).toContain("set allow_journald = true");
    });
  });
});
