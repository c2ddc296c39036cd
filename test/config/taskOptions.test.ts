import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parsePluginOptions } from "../../src/config/pluginOptions.ts";
import { parseTaskOptions } from "../../src/config/taskOptions.ts";
import { errorOf } from "../support/errors.ts";

const closed = parsePluginOptions({});
const open = parsePluginOptions({ unveil_by_task: true });

describe("parseTaskOptions", () => {
  test("fills in what a job leaves out, as the client sends it", () => {
    const raw = { command: "env", args: null, unveil: null, oom_score_adj: null, work_dir: null };
    const expected = { command: "env", args: [], unveil: [], extraHosts: [], oomScoreAdj: 0 };
    expect(parseTaskOptions(raw, closed)).toEqual(expected);
    expect(parseTaskOptions({ command: "env" }, closed)).toEqual(expected);
  });

  test("takes every option", () => {
    const raw = {
      command: "/usr/bin/cat",
      args: ["/etc/os-release", ""],
      unveil: ["r:/etc/os-release"],
      oom_score_adj: 500,
      pids_limit: 64,
      extra_hosts: ["db:192.0.2.5"],
      work_dir: "../alloc",
    };
    expect(parseTaskOptions(raw, open)).toEqual({
      extraHosts: ["db:192.0.2.5"],
      command: "/usr/bin/cat",
      args: ["/etc/os-release", ""],
      unveil: ["r:/etc/os-release"],
      oomScoreAdj: 500,
      pidsLimit: 64,
      workDir: "../alloc",
    });
  });

  test.each([
    [1000n, 1000],
    [3.0, 3],
    [0, 0],
  ])("takes the number %s in any of the forms it may arrive in", (given, expected) => {
    expect(parseTaskOptions({ command: "x", oom_score_adj: given }, closed).oomScoreAdj).toBe(expected);
  });

  test.each<[unknown, string]>([
    [{}, 'option "command" is missing'],
    [null, 'option "command" is missing'],
    [{ command: null }, 'option "command" is missing'],
    [{ command: "" }, 'option "command" must not be empty'],
    [{ command: "a\0b" }, 'option "command" must not contain a NUL byte'],
    [{ command: ["a"] }, 'option "command" must be a string, not a list'],
    [{ command: "x", args: "y" }, 'option "args" must be a list of strings, not a string'],
    [{ command: "x", args: ["y", 1] }, 'option "args" entry 2 must be a string, not a number'],
    [{ command: "x", args: ["\0"] }, 'option "args" entry 1 must not contain a NUL byte'],
    [{ command: "x", work_dir: "" }, 'option "work_dir" must not be empty'],
    [{ command: "x", work_dir: "a\0" }, 'option "work_dir" must not contain a NUL byte'],
    [{ command: "x", oom_score_adj: "5" }, 'option "oom_score_adj" must be a number, not a string'],
    [{ command: "x", oom_score_adj: 1.5 }, 'option "oom_score_adj" must be a whole number'],
    [{ command: "x", oom_score_adj: Number.NaN }, 'option "oom_score_adj" must be a number'],
    [{ command: "x", oom_score_adj: 1001 }, 'option "oom_score_adj" must be from 0 to 1000'],
    [{ command: "x", oom_score_adj: -1 }, 'option "oom_score_adj" must be from 0 to 1000'],
    [{ command: "x", oom_score_adj: -1000n }, 'option "oom_score_adj" must be from 0 to 1000'],
    [{ command: "x", pids_limit: true }, 'option "pids_limit" must be a number, not a boolean'],
    [{ command: "x", pids_limit: 0 }, 'option "pids_limit" must be from 2'],
    [{ command: "x", pids_limit: 9_000_000 }, 'option "pids_limit" must be from 2'],
    [{ command: "x", cap_add: ["all"] }, 'unknown option "cap_add"'],
    [{ command: "x", unveil: ["rr:/x"] }, 'option "unveil" entry 1 ("rr:/x") has the mode letter "r" twice'],
  ])("refuses %o", (raw, reason) => {
    const error = errorOf(() => parseTaskOptions(raw, open));
    expect(error.code).toBe("CONFIG_INVALID");
    expect(error.message).toContain("task's config");
    expect(error.message).toContain(reason);
  });

  test("refuses unveil unless the plugin allows it, and says which option does", () => {
    const raw = { command: "x", unveil: ["r:/etc/os-release"] };
    const error = errorOf(() => parseTaskOptions(raw, closed));
    expect(error.code).toBe("CONFIG_INVALID");
    expect(error.hint).toContain("unveil_by_task = true");
    expect(parseTaskOptions({ command: "x", unveil: [] }, closed).unveil).toEqual([]);
  });

  test.each([
    [undefined, undefined, undefined],
    [undefined, 64, 64],
    [100, undefined, 100],
    [100, 64, 64],
    [100, 100, 100],
  ])("with a plugin's pids_limit of %o and its own of %o, a task has %o", (plugin, task, expected) => {
    const options = parsePluginOptions({ pids_limit: plugin });
    expect(parseTaskOptions({ command: "x", pids_limit: task }, options).pidsLimit).toBe(expected);
  });

  test("refuses a pids_limit above the plugin's, and tells both", () => {
    const options = parsePluginOptions({ pids_limit: 100 });
    const error = errorOf(() => parseTaskOptions({ command: "x", pids_limit: 101 }, options));
    expect(error.code).toBe("CONFIG_INVALID");
    expect(error.message).toMatch(/"pids_limit" 101, and this client allows 100\. Lower it/);
  });

  test("never repeats an argument in an error", () => {
    const { message } = errorOf(() => parseTaskOptions({ command: "x", args: ["hunter2\0", 7] }, open));
    expect(message).not.toContain("hunter2");
  });

  test("takes any command and arguments without NUL bytes unchanged", () => {
    const word = fc.string().filter((text) => !text.includes("\0"));
    fc.assert(
      fc.property(word.filter(Boolean), fc.array(word), (command, args) => {
        expect(parseTaskOptions({ command, args }, closed)).toMatchObject({ command, args });
      }),
    );
  });
});
