import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parsePluginOptions } from "../../src/driver/options/pluginOptions.ts";
import { parseTaskOptions } from "../../src/effects/parts.ts";
import { errorOf } from "../support/errors.ts";

const closed = parsePluginOptions({});
const open = parsePluginOptions({
  unveil_by_task: true,
  groups_by_task: ["*", "2000"],
  allow_host_ipc: true,
  allow_host_pid: true,
  allow_seccomp: ["unconfined"],
  allow_host_root: true,
  allow_idmapped_volumes: true,
});
const usual = {
  args: [],
  unveil: [],
  capAdd: [],
  capDrop: [],
  seccompAllow: [],
  seccompDeny: [],
  groups: [],
  extraHosts: [],
  stopCommand: [],
  unveilSets: [],
  umask: "022",
  nice: 0,
  ulimit: [],
  ipcMode: "private",
  pidMode: "private",
  pidsLimit: 4_096,
  shmSize: 64,
  mount: [],
  idmappedVolumes: [],
  rootDirWritable: false,
  cpuHardLimit: true,
  cgroupView: "none",
  cgroupDelegate: false,
  io: [],
  pressure: [],
};

describe("parseTaskOptions", () => {
  test("fills in options that a job omits, as the client sends them", () => {
    const raw = { command: "env", args: null, unveil: null, oom_score_adj: null, work_dir: null };
    const expected = { ...usual, command: "env" };
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
      cap_add: ["CAP_KILL"],
      cap_drop: ["all"],
      seccomp: "unconfined",
      seccomp_allow: ["@io_uring"],
      seccomp_deny: ["ptrace"],
      groups: ["video", "2000"],
      umask: "0027",
      nice: 10,
      ulimit: [{ nofile: "2048:4096" }, { core: "0" }],
      ipc_mode: "host",
      pid_mode: "host",
      root: "host",
      shm_size: 128,
      tmp_size: 32,
      disk_limit: 300,
      idmapped_volumes: ["/srv"],
      identity_files: true,
      swap_limit: 0,
      cpu_hard_limit: false,
      numa_memory: "local",
      cgroup_view: "own",
      io: [{ read: "50MB" }],
      pressure: [{ memory: "full 150ms 1s", cpu: "some 1s 2s" }],
      stop_command: ["nginx", "-s", "quit"],
      unveil_sets: ["java"],
      egress: ["10.0.0.0/8:5432"],
    };
    expect(parseTaskOptions(raw, open)).toEqual({
      extraHosts: ["db:192.0.2.5"],
      command: "/usr/bin/cat",
      args: ["/etc/os-release", ""],
      unveil: ["r:/etc/os-release"],
      oomScoreAdj: 500,
      pidsLimit: 64,
      workDir: "../alloc",
      capAdd: ["CAP_KILL"],
      capDrop: ["all"],
      seccomp: "unconfined",
      seccompAllow: ["@io_uring"],
      seccompDeny: ["ptrace"],
      groups: ["video", "2000"],
      umask: "0027",
      nice: 10,
      ulimit: [{ nofile: "2048:4096" }, { core: "0" }],
      ipcMode: "host",
      pidMode: "host",
      root: "host",
      shmSize: 128,
      tmpSize: 32,
      diskLimit: 300,
      mount: [],
      idmappedVolumes: ["/srv"],
      rootDirWritable: false,
      identityFiles: true,
      swapLimit: 0,
      cpuHardLimit: false,
      numaMemory: "local",
      cgroupView: "own",
      // Not together with the host's pids.
      cgroupDelegate: false,
      io: [{ read: "50MB" }],
      pressure: [{ memory: "full 150ms 1s", cpu: "some 1s 2s" }],
      stopCommand: ["nginx", "-s", "quit"],
      unveilSets: ["java"],
      egress: ["10.0.0.0/8:5432"],
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
    [{ command: "x", root: "mine" }, 'option "root" must be "private" or "host"'],
    [{ command: "x", shm_size: 0 }, 'option "shm_size" must be from 1 to 1048576'],
    [{ command: "x", shm_size: 67_108_864 }, "must be from 1 to 1048576, in MiB, or a size with its unit"],
    [{ command: "x", shm_size: "1kB" }, 'option "shm_size" must be from 1 to 1048576'],
    [
      { command: "x", shm_size: "64XB" },
      'must be a whole number of MiB, or a size with its unit, such as "64MB"',
    ],
    [
      { command: "x", shm_size: "1.5" },
      'must be a whole number of MiB, or a size with its unit, such as "64MB"',
    ],
    [{ command: "x", shm_size: true }, "not true"],
    [{ command: "x", tmp_size: [1] }, "not a list"],
    [{ command: "x", disk_limit: 0 }, 'option "disk_limit" must be from 1 to 1073741824'],
    [{ command: "x", tmp_size: 0 }, 'option "tmp_size" must be from 1 to 1048576'],
    [{ command: "x", privileged: true }, 'unknown option "privileged"'],
    [
      { command: "x", cap_add: ["kil"] },
      'option "cap_add" entry 1 ("kil") is not a capability. Did you mean kill?',
    ],
    [{ command: "x", cap_drop: ["kil"] }, 'option "cap_drop" entry 1 ("kil") is not a capability'],
    [{ command: "x", cap_add: "kill" }, 'option "cap_add" must be a list of strings'],
    [{ command: "x", cap_add: ["kill"], cap_drop: ["KILL"] }, "contradicts itself"],
    [{ command: "x", groups: [""] }, 'option "groups" entry 1 must not be empty'],
    [{ command: "x", groups: [7] }, 'option "groups" entry 1 must be a string, not a number'],
    [{ command: "x", umask: "22" }, 'option "umask" must be three octal digits'],
    [{ command: "x", umask: "089" }, 'option "umask" must be three octal digits'],
    [{ command: "x", umask: "1022" }, 'option "umask" must be three octal digits'],
    [{ command: "x", nice: -1 }, 'option "nice" must be from 0 to 19'],
    [{ command: "x", nice: 20 }, 'option "nice" must be from 0 to 19'],
    [{ command: "x", nice: 0.5 }, 'option "nice" must be a whole number'],
    [{ command: "x", ulimit: "nofile=5" }, 'option "ulimit" must be a block of limits, not a string'],
    [
      { command: "x", ulimit: [{ nofil: "20" }] },
      'option "ulimit" has "nofil", which is not a limit. Did you mean nofile?',
    ],
    [{ command: "x", ulimit: [{ core: "1" }, { core: "2" }] }, 'option "ulimit" has "core" twice'],
    [{ command: "x", ulimit: [{ core: "2:1" }] }, "The soft limit is above the hard one"],
    [
      { command: "x", mount: [{ source: "local/x", target: "/x" }, { source: "local/y" }] },
      'option "mount" entry 2 has no target',
    ],
    [{ command: "x", mount: "local/x" }, 'option "mount" must be a block, not a string'],
    [
      { command: "x", mount: Array.from({ length: 33 }, () => ({ source: "local/x", target: "/x" })) },
      'option "mount" has more than 32 blocks',
    ],
    [
      { command: "x", mount: [{ source: "local/x", target: "/x" }], root: "host" },
      'has mount, but the task has no root of its own: root is "host"',
    ],
    [{ command: "x", pid_mode: "shared" }, 'option "pid_mode" must be "private" or "host"'],
    [{ command: "x", ipc_mode: "shared" }, 'option "ipc_mode" must be "private" or "host"'],
    [{ command: "x", swap_limit: -2 }, 'option "swap_limit" must be a number of MiB, or -1'],
    [{ command: "x", cpu_hard_limit: "no" }, 'option "cpu_hard_limit" must be true or false'],
    [
      { command: "x", unveil: ["rz:/x"] },
      'option "unveil" entry 1 ("rz:/x") has the unknown mode letter "z"',
    ],
  ])("refuses %o", (raw, reason) => {
    const error = errorOf(() => parseTaskOptions(raw, open));
    expect(error.code).toBe("CONFIG_INVALID");
    expect(error.message).toContain("task's config");
    expect(error.message).toContain(reason);
  });

  test.each([
    [64, 64],
    [64n, 64],
    ["64", 64],
    ["64MiB", 64],
    ["1GiB", 1_024],
    ["64MB", 64_000_000 / 2 ** 20],
    ["1.5 GB", 1_500_000_000 / 2 ** 20],
  ])("takes the size %o as %d MiB", (size, mebibytes) => {
    const sizes = { shm_size: size, tmp_size: size, disk_limit: size, log_max_file_size: size };
    expect(parseTaskOptions({ command: "x", ...sizes }, open)).toMatchObject({
      ...{ shmSize: mebibytes, tmpSize: mebibytes, diskLimit: mebibytes, logMaxFileSize: mebibytes },
    });
    const operators = parsePluginOptions({ swap_limit: size, disk_limit: size, log_max_file_size: size });
    expect(operators).toMatchObject({
      ...{ swapLimit: mebibytes, diskLimit: mebibytes, logMaxFileSize: mebibytes },
    });
    expect(parseTaskOptions({ command: "x", swap_limit: size }, operators).swapLimit).toBe(mebibytes);
  });

  test("takes -1, no limit of swap, also as the text into which a client converts it", () => {
    const unlimited = parsePluginOptions({ swap_limit: "-1" });
    expect(parseTaskOptions({ command: "x", swap_limit: "-1" }, unlimited).swapLimit).toBe(-1);
  });

  test.each([
    ["unveil", ["r:/etc/os-release"], [], "unveil_by_task"],
    ["ipc_mode", "host", "private", "allow_host_ipc"],
    ["pid_mode", "host", "private", "allow_host_pid"],
  ])(
    "refuses %s unless the plugin allows it, and says which option does",
    (name, used, unused, permission) => {
      const error = errorOf(() => parseTaskOptions({ command: "x", [name]: used }, closed));
      expect(error.code).toBe("CONFIG_INVALID");
      expect(error.message).toContain(`"${name}", which this client does not allow`);
      expect(error.hint).toContain(`${permission} = true`);
      expect(() => parseTaskOptions({ command: "x", [name]: unused }, closed)).not.toThrow();
      const allowing = parsePluginOptions({ [permission]: true });
      expect(() => parseTaskOptions({ command: "x", [name]: used }, allowing)).not.toThrow();
    },
  );

  test("refuses groups where the plugin lists none, and says which option does", () => {
    const error = errorOf(() => parseTaskOptions({ command: "x", groups: ["video"] }, closed));
    expect(error.code).toBe("CONFIG_INVALID");
    expect(error.message).toContain('"groups", which this client does not allow');
    expect(error.hint).toContain("groups_by_task");
    const listing = parsePluginOptions({ groups_by_task: ["video"] });
    expect(parseTaskOptions({ command: "x", groups: ["video"] }, listing).groups).toEqual(["video"]);
  });

  test.each([
    [undefined, undefined, undefined],
    [256, undefined, 256],
    [256, 100, 100],
    [256, 0, 0],
    [-1, undefined, -1],
    [-1, 5000, 5000],
    [-1, -1, -1],
  ])("with a plugin's swap_limit of %o and its own of %o, a task has %o", (plugin, task, expected) => {
    const options = parsePluginOptions({ swap_limit: plugin });
    expect(parseTaskOptions({ command: "x", swap_limit: task }, options).swapLimit).toBe(expected);
  });

  test.each([
    [0, 1, /"swap_limit" 1 MiB, but this client allows 0 MiB\. Lower it/],
    [256, -1, /"swap_limit" without a limit, but this client allows 256 MiB/],
  ])("with a plugin's swap_limit of %o, refuses %o", (plugin, task, reason) => {
    const options = parsePluginOptions({ swap_limit: plugin });
    const error = errorOf(() => parseTaskOptions({ command: "x", swap_limit: task }, options));
    expect(error.message).toMatch(reason);
  });

  test.each([
    [undefined, undefined, 4_096],
    [undefined, 64, 64],
    [100, undefined, 100],
    [100, 64, 64],
    [100, 100, 100],
  ])("with a plugin's pids_limit of %o and its own of %o, a task has %o", (plugin, task, expected) => {
    const options = parsePluginOptions({ pids_limit: plugin });
    expect(parseTaskOptions({ command: "x", pids_limit: task }, options).pidsLimit).toBe(expected);
  });

  test("refuses a pids_limit above the plugin's, with both values", () => {
    const options = parsePluginOptions({ pids_limit: 100 });
    const error = errorOf(() => parseTaskOptions({ command: "x", pids_limit: 101 }, options));
    expect(error.code).toBe("CONFIG_INVALID");
    expect(error.message).toMatch(/"pids_limit" 101, but this client allows 100\. Lower it/);
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
