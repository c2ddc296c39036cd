import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { delegatedCgroupsOf } from "../../../src/effects/cgroup/delegatedCgroups.ts";
import { buildExecPlan } from "../../../src/effects/exec/execPlan.ts";
import { defaultTaskOptions } from "../../../src/effects/parts.ts";
import { describePlan } from "../../../src/effects/plan/describePlan.ts";
import { type LaunchPlan, noSteps, type Phase, phases, type Step } from "../../../src/effects/plan/plan.ts";
import { anyLaunchInput } from "../../support/launch/anyLaunchInput.ts";
import { launchInput } from "../../support/launch/launchRun.ts";
import { buildLaunchPlan } from "../../support/launch/wholeLaunch.ts";

const names = (plan: LaunchPlan, phase: Phase) => [...new Set(plan.steps[phase].map(({ name }) => name))];

describe("a launch plan", () => {
  it("drops privileges in a valid order, and executes last", () => {
    const plan = buildLaunchPlan(launchInput());
    expect(names(plan, "task")).toEqual([
      "start a session for the task",
      "report the task",
      "record the task",
      "set oom_score_adj",
      "set RLIMIT_NOFILE",
      "set the umask",
      "close the driver's descriptors",
      "set groups",
      "set gid",
      "set uid",
      "drop capabilities",
      "change to the working directory",
      "set no_new_privs",
      "enforce the Landlock ruleset",
      "hide descriptors",
      "wait for the go-ahead",
      "record the release",
      "execute the command",
    ]);
  });

  it("filters system calls last, if there is a filter, also for commands in a running task", () => {
    const filter = { name: "default", program: new Uint8Array(24) };
    const plan = buildLaunchPlan(launchInput({ filter }));
    const execPlan = buildExecPlan({
      ...launchInput({ filter }),
      waiterName: "exec2-exec: 01234567/test",
      cgroup: { parent: "/sys/fs/cgroup/task", name: "exec2-exec-1" },
    });
    for (const lines of [describePlan(plan), describePlan(execPlan)]) {
      const task = lines.filter((line) => line.startsWith("task"));
      expect(task.at(-2)).toBe(
        "task      filter system calls: seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, {len: 3, filter: the profile default})",
      );
      expect(task.at(-1)).toContain("execve");
    }
  });

  it("follows no link to the task's own files and folders that are mounted, nor to where", () => {
    const own = { kind: "mount", readOnly: true, propagation: "private", isFolder: true } as const;
    const plan = buildLaunchPlan(
      launchInput({
        mounts: [{ ...own, source: "/alloc/data/conf", target: "/etc/app" }],
        inMemory: [{ target: "/var/cache/app", bytes: 64_000_000 }],
      }),
    );
    const lines = describePlan(plan).filter((line) => line.includes("mount the task's own"));
    const how = "{flags: O_PATH|O_CLOEXEC, resolve: RESOLVE_NO_SYMLINKS}, 24";
    expect(lines.map((line) => line.replace(/^init +mount the task's own /, ""))).toEqual([
      `/etc/app: openat2(AT_FDCWD, "/alloc/data/conf", ${how})`,
      "/etc/app: dup3(10, 17, O_CLOEXEC)",
      "/etc/app: close(10)",
      '/etc/app: open_tree(17, "", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_RECURSIVE|AT_EMPTY_PATH)',
      '/etc/app: mount_setattr(10, "", AT_EMPTY_PATH|AT_RECURSIVE, {attr_set: MOUNT_ATTR_RDONLY|MOUNT_ATTR_NOSUID|MOUNT_ATTR_NODEV, propagation: MS_PRIVATE}, 32)',
      "/etc/app: dup3(10, 17, O_CLOEXEC)",
      "/etc/app: close(10)",
      `/etc/app: openat2(AT_FDCWD, "/etc/app", ${how})`,
      '/etc/app: move_mount(17, "", 10, "", MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH)',
      "/etc/app: close(10)",
      "/etc/app: close(17)",
      `/var/cache/app in memory: openat2(AT_FDCWD, "/var/cache/app", ${how})`,
      '/var/cache/app in memory: mount("tmpfs", "/proc/self/fd/10", "tmpfs", MS_NOSUID|MS_NODEV, "mode=1777,size=64000000")',
      "/var/cache/app in memory: close(10)",
    ]);
  });

  it("keeps capabilities only for root", () => {
    expect(names(buildLaunchPlan(launchInput({ uid: 0 })), "task")).not.toContain("drop capabilities");
  });

  it("passes capabilities to another user's programs, and limits what they can get", () => {
    const capabilities = { kept: 1n << 10n, dropped: 0b11n };
    const lines = describePlan(buildLaunchPlan(launchInput({ uid: 7, gid: 8, groups: [9], capabilities })));
    const task = lines.filter((line) => line.startsWith("task"));
    expect(task.slice(task.findIndex((line) => line.includes("set groups"))).slice(0, 9)).toEqual([
      "task      set groups: setgroups(1, [9])",
      "task      set gid: setresgid(8, 8, 8)",
      "task      drop capabilities from the bounding set: prctl(PR_CAPBSET_DROP, CAP_CHOWN, 0, 0, 0)",
      "task      drop capabilities from the bounding set: prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)",
      "task      keep capabilities across the change of uid: prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)",
      "task      set uid: setresuid(7, 7, 7)",
      "task      set capabilities: capset({version: 3, pid: 0}, {effective: 0x400, permitted: 0x400, inheritable: 0x400})",
      "task      raise ambient capabilities: prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0)",
      'task      change to the working directory: openat2(AT_FDCWD, "/", {flags: O_PATH|O_DIRECTORY|O_CLOEXEC, resolve: RESOLVE_NO_MAGICLINKS}, 24)',
    ]);
  });

  it("leaves root's programs the capabilities that are in the bounding set", () => {
    const capabilities = { kept: 0b100n, dropped: 0b11n };
    const plan = buildLaunchPlan(launchInput({ uid: 0, gid: 0, capabilities }));
    expect(names(plan, "task").slice(7, 12)).toEqual([
      "set groups",
      "set gid",
      "drop capabilities from the bounding set",
      "set uid",
      "set capabilities",
    ]);
    expect(describePlan(plan).join("\n")).toContain("{effective: 0x4, permitted: 0x4, inheritable: 0}");
  });

  it.each([
    [{}, '"0"'],
    [{ numaMemory: "local" }, '"1000"'],
    [{ oomScoreAdj: 0, numaMemory: "local" }, '"0"'],
    [{ oomScoreAdj: 300, numaMemory: "local" }, '"300"'],
  ] as const)("with %o the oom_score_adj is %s", (given, score) => {
    const plan = buildLaunchPlan(launchInput({ options: { ...defaultTaskOptions(), ...given } }));
    const lines = describePlan(plan).filter((line) => /^task .*set oom_score_adj: write/.test(line));
    expect(lines).toEqual([expect.stringContaining(score)]);
  });

  it("sets a nice value and further limits only if they are requested", () => {
    const limits = [{ resource: "RLIMIT_CORE", soft: 0, hard: Number.POSITIVE_INFINITY }] as const;
    const lines = describePlan(
      buildLaunchPlan(launchInput({ limits, options: { ...defaultTaskOptions(), nice: 5 } })),
    );
    expect(lines.filter((line) => /RLIMIT|nice/.test(line))).toEqual([
      "task      set RLIMIT_CORE: prlimit64(0, RLIMIT_CORE, {rlim_cur: 0, rlim_max: Infinity}, 0)",
      "task      set the nice value: setpriority(PRIO_PROCESS, 0, 5)",
    ]);
    expect(names(buildLaunchPlan(launchInput()), "task")).not.toContain("set the nice value");
  });

  it("sends no signal to all processes unless it has its own pid namespace", () => {
    const calls = (plan: LaunchPlan) => phases.flatMap((phase) => plan.steps[phase].map(({ call }) => call));
    fc.assert(
      fc.property(anyLaunchInput, (input) => {
        expect(calls(buildLaunchPlan(input)).includes("kill")).toBe(input.runCgroup === undefined);
      }),
    );
  });

  it("mounts folders in memory with options that every kernel knows, of which no kernel's log complains", () => {
    const inMemory = (plan: LaunchPlan) =>
      phases.flatMap((phase) =>
        plan.steps[phase].flatMap(({ call, args: [, , type, , options] }) =>
          call === "mount" && type === "tmpfs" ? [options] : [],
        ),
      );
    expect(inMemory(buildLaunchPlan(launchInput({ tmpBytes: 4096 })))).toContain("mode=1777,size=4096");
    fc.assert(
      fc.property(anyLaunchInput, (input) => {
        for (const options of inMemory(buildLaunchPlan(input))) {
          expect(options).toMatch(/^(?:mode=[0-7]+|size=\d+k?)(?:,(?:mode=[0-7]+|size=\d+k?))*$/);
        }
      }),
    );
  });

  it("starts a task with cgroups of its own in their root, which alone it then sees, and init beside it", () => {
    const delegated = delegatedCgroupsOf("/sys/fs/cgroup/task", "/run/exec2/a_web_1234abcd");
    const plan = buildLaunchPlan(launchInput({ cgroup: delegated.init, delegated }));
    const ofCgroups = /cgroup|fork the task/;
    expect(describePlan(plan).filter((line) => ofCgroups.test(line))).toEqual([
      'parent    enter namespaces and cgroup: openat(AT_FDCWD, "/sys/fs/cgroup/task/exec2-init-1234abcd", O_PATH|O_CLOEXEC, 0)',
      "parent    enter namespaces and cgroup: clone3({flags: CLONE_NEWPID|CLONE_NEWIPC|CLONE_INTO_CGROUP, exit_signal: SIGCHLD, cgroup: 7}, 88), the child goes on as init",
      "init      close the cgroup's folder: close(7)",
      'init      open the task\'s cgroup: openat(AT_FDCWD, "/sys/fs/cgroup/task/exec2-task-1234abcd", O_PATH|O_CLOEXEC, 0)',
      "init      open the task's cgroup: dup3(10, 12, O_CLOEXEC)",
      "init      open the task's cgroup: close(10)",
      "rest      fork the task: clone3({flags: CLONE_PARENT_SETTID|CLONE_INTO_CGROUP, parent_tid: what is waited for, exit_signal: SIGCHLD, cgroup: 12}, 88), the child goes on as task",
      "task      make a cgroup namespace: unshare(CLONE_NEWCGROUP)",
      'task      cover /sys/fs/cgroup: mount("tmpfs", "/sys/fs/cgroup", "tmpfs", MS_RDONLY|MS_NOSUID|MS_NODEV|MS_NOEXEC, "size=4k")',
      'task      mount /sys/fs/cgroup: mount("cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID|MS_NODEV|MS_NOEXEC, 0)',
    ]);
    const inTask = names(plan, "task");
    expect(inTask.indexOf("mount /sys/fs/cgroup")).toBeLessThan(inTask.indexOf("set groups"));
  });

  it("uses a cgroup for the run instead of a pid namespace, in the host's pid namespace", () => {
    const runCgroup = { parent: "/sys/fs/cgroup/task", name: "exec2-run" };
    const plan = buildLaunchPlan(launchInput({ cgroup: runCgroup.parent, runCgroup }));
    const lines = describePlan(plan);
    expect(lines.join("\n")).not.toContain("CLONE_NEWPID");
    expect(names(plan, "init")).not.toContain("mount /proc");
    expect(names(plan, "task")).toContain("end with init");
    expect(lines.filter((line) => /subreaper|cgroup|fork the task|kill/.test(line))).toEqual([
      'parent    enter namespaces and cgroup: openat(AT_FDCWD, "/sys/fs/cgroup/task", O_PATH|O_CLOEXEC, 0)',
      "parent    enter namespaces and cgroup: clone3({flags: CLONE_NEWIPC|CLONE_INTO_CGROUP, exit_signal: SIGCHLD, cgroup: 7}, 88), the child goes on as init",
      "init      close the cgroup's folder: close(7)",
      "init      become a subreaper: prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)",
      'init      open the task\'s cgroup: openat(AT_FDCWD, "/sys/fs/cgroup/task", O_PATH|O_CLOEXEC, 0)',
      "init      open the task's cgroup: dup3(10, 11, O_CLOEXEC)",
      "init      open the task's cgroup: close(10)",
      'rest      make the run\'s cgroup: mkdirat(11, "exec2-run", 0755)',
      'rest      make the run\'s cgroup: openat(11, "exec2-run", O_PATH|O_CLOEXEC, 0)',
      "rest      make the run's cgroup: dup3(10, 12, O_CLOEXEC)",
      "rest      make the run's cgroup: close(10)",
      'rest      make the run\'s cgroup: openat(11, "exec2-run/cgroup.kill", O_WRONLY|O_CLOEXEC, 0)',
      "rest      make the run's cgroup: dup3(10, 13, O_CLOEXEC)",
      "rest      make the run's cgroup: close(10)",
      "rest      fork the task: clone3({flags: CLONE_PARENT_SETTID|CLONE_INTO_CGROUP, parent_tid: what is waited for, exit_signal: SIGCHLD, cgroup: 12}, 88), the child goes on as task",
      "supervise keep the run's kill switch: dup3(13, 3, 0)",
      "supervise keep the task's cgroup: dup3(11, 4, 0)",
      'supervise kill the remaining processes: write(3, "1", 1), errors tolerated',
      'supervise remove the run\'s cgroup: unlinkat(4, "exec2-run", AT_REMOVEDIR), errors tolerated',
    ]);
  });

  it("makes no ipc namespace if the task gets the host's", () => {
    const line = (ipcMode: "private" | "host") =>
      describePlan(buildLaunchPlan(launchInput({ options: { ...defaultTaskOptions(), ipcMode } })))[2];
    expect(line("private")).toContain("CLONE_NEWIPC");
    expect(line("host")).not.toContain("CLONE_NEWIPC");
    expect(line("host")).toContain("CLONE_NEWPID");
  });

  it.each([-1, 2 ** 32 - 1, 2 ** 32, 1.5, Number.NaN])(
    "refuses %d as a uid, gid or group, because it could mean root",
    (id) => {
      for (const input of [{ uid: id }, { gid: id }, { groups: [id] }]) {
        expect(() => buildLaunchPlan(launchInput(input))).toThrow(
          expect.objectContaining({ code: "USER_FORBIDDEN" }),
        );
      }
    },
  );

  it("forks init into its cgroup, without writing cgroup.procs", () => {
    const plan = buildLaunchPlan(launchInput({ cgroup: "/sys/fs/cgroup/task" }));
    expect(describePlan(plan)[2]).toBe(
      'parent    enter namespaces and cgroup: openat(AT_FDCWD, "/sys/fs/cgroup/task", O_PATH|O_CLOEXEC, 0)',
    );
    expect(describePlan(plan)[3]).toContain("CLONE_INTO_CGROUP, exit_signal: SIGCHLD, cgroup: 7}");
  });

  it("joins a network namespace, makes one, or keeps the host's", () => {
    const lines = (network: Parameters<typeof launchInput>[0]) =>
      describePlan(buildLaunchPlan(launchInput(network))).filter((line) => line.includes("network"));
    expect(lines({ network: { kind: "host" } })).toEqual([]);
    expect(lines({ network: { kind: "join", path: "/run/netns/a" } })).toEqual([
      'init      join the network namespace: openat(AT_FDCWD, "/run/netns/a", O_RDONLY|O_CLOEXEC, 0)',
      "init      join the network namespace: setns(10, CLONE_NEWNET)",
      "init      join the network namespace: close(10)",
    ]);
    expect(lines({ network: { kind: "loopback" } })[2]).toContain(
      'ioctl(10, SIOCSIFFLAGS, {ifr_name: "lo", ifr_flags: IFF_UP})',
    );
  });

  it("sets a host name only if the task gets its own", () => {
    const lines = describePlan(buildLaunchPlan(launchInput({ hostname: "web-1" })));
    expect(lines[2]).toContain("{flags: CLONE_NEWPID|CLONE_NEWIPC|CLONE_NEWUTS, ");
    expect(lines).toContain('init      set the host name: sethostname("web-1", 5)');
    expect(describePlan(buildLaunchPlan(launchInput())).join("\n")).not.toMatch(/UTS|sethostname/);
  });

  it("opens volumes before anything is mounted, and mounts them after all else, without following a symlink", () => {
    const volume = { kind: "volume", source: "/srv/a", readOnly: true, propagation: "private" } as const;
    const device = {
      kind: "device",
      source: "/dev/a",
      readOnly: false,
      propagation: "host-to-task",
    } as const;
    const plan = buildLaunchPlan(
      launchInput({
        privateTmp: "/task/tmp",
        mounts: [
          { ...volume, target: "/data", isFolder: true },
          { ...device, target: "/dev/b", isFolder: false },
        ],
        hidden: [
          { path: "/srv/a", isFolder: true },
          { path: "/srv/file", isFolder: false },
        ],
      }),
    );
    const calls = plan.steps.init.filter(({ call }) => /mount|open_tree|unshare/.test(call));
    expect(
      calls.map(({ name, call }) => `${name}: ${call}`).filter((each) => !each.endsWith("setattr")),
    ).toEqual([
      "mount private /tmp: open_tree",
      "mount the volume /data: open_tree",
      "mount the device /dev/b: open_tree",
      "hide /srv/file: open_tree",
      "make a mount namespace: unshare",
      "make mounts slaves of the host's: mount",
      "mount /proc: mount",
      "mount private /tmp: move_mount",
      "mount the volume /data: move_mount",
      "mount the device /dev/b: move_mount",
      "hide /srv/file: move_mount",
      "hide /srv/a: mount",
    ]);
    const lines = describePlan(plan);
    const attributes = "MOUNT_ATTR_RDONLY|MOUNT_ATTR_NOSUID|MOUNT_ATTR_NODEV";
    expect(lines).toContain(
      `init      mount the volume /data: mount_setattr(10, "", AT_EMPTY_PATH|AT_RECURSIVE, {attr_set: ${attributes}, propagation: MS_PRIVATE}, 32)`,
    );
    expect(lines).toContain(
      'init      mount the volume /data: openat2(AT_FDCWD, "/data", {flags: O_PATH|O_CLOEXEC, resolve: RESOLVE_NO_SYMLINKS}, 24)',
    );
    expect(lines).toContain("init      mount the device /dev/b: dup3(10, 19, O_CLOEXEC)");
  });

  it("mounts the private /tmp without following a symlink, after the binds, which may come from there", () => {
    const bind = { source: "/run/resolv.conf", target: "/etc/resolv.conf", readOnly: true };
    const plan = buildLaunchPlan(launchInput({ privateTmp: "/task/tmp", binds: [bind] }));
    const mounted = plan.steps.init.filter(({ call }) => call === "move_mount" || call === "mount");
    expect(mounted.map(({ name }) => name)).toEqual([
      "make mounts slaves of the host's",
      "mount /proc",
      "mount /etc/resolv.conf",
      "mount private /tmp",
    ]);
    const lines = describePlan(plan);
    expect(lines).toContain(
      'init      mount private /tmp: open_tree(AT_FDCWD, "/task/tmp", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_RECURSIVE|AT_SYMLINK_NOFOLLOW)',
    );
    expect(lines).toContain(
      'init      mount /etc/resolv.conf: mount_setattr(10, "", AT_EMPTY_PATH|AT_RECURSIVE, {attr_set: MOUNT_ATTR_RDONLY, propagation: MS_SLAVE}, 32)',
    );
  });

  it("describes shared steps like others", () => {
    fc.assert(
      fc.property(anyLaunchInput, (input) => {
        const plan = buildLaunchPlan(input);
        const own = ({ isShared: _, ...step }: Step): Step => step;
        const copies = phases.map((phase) => [phase, plan.steps[phase].map(own)] as const);
        const copied = { steps: Object.fromEntries(copies) as unknown as LaunchPlan["steps"] };
        expect(describePlan(plan)).toEqual(describePlan(copied));
        expect(describePlan(plan)).toEqual(describePlan(copied));
      }),
    );
  });

  it("reuses steps only for the same rules", () => {
    const rule = { path: "/proc/stat", access: 4, addedBy: "task", required: false } as const;
    for (const change of [
      {},
      { path: "/proc/meminfo" },
      { access: 12 },
      { required: true },
      { stream: 1 },
    ] as const) {
      const { steps } = buildLaunchPlan(launchInput({ namespaceRules: [{ ...rule, ...change }] }));
      const added = steps.task.find(({ call }) => call === "landlock_add_rule");
      expect(added?.args[0]).toBe(5);
      expect(added?.name).toBe(`unveil ${"path" in change ? change.path : rule.path}`);
      expect(describePlan({ steps: { ...noSteps, task: added ? [added] : [] } })[0]).toContain(
        `allowed_access: 0x${("access" in change ? change.access : rule.access).toString(16)}, parent_fd: ${"stream" in change ? 1 : 3}`,
      );
      expect(added?.flow?.kind).toBe("required" in change ? undefined : "tolerateErrors");
    }
  });

  it("describes every step in one line and never shows a value of the environment", () => {
    const secret = fc.stringMatching(/^[a-z]{12,}$/);
    fc.assert(
      fc.property(anyLaunchInput, secret, (input, value) => {
        const plan = buildLaunchPlan({ ...input, env: { ...input.env, TOKEN: value } });
        const lines = describePlan(plan);
        const described = phases.filter((phase) => phase !== "unveil");
        expect(lines).toHaveLength(described.flatMap((phase) => plan.steps[phase]).length);
        expect(lines.join("\n")).toContain('"TOKEN=…"');
        expect(lines.join("\n")).not.toContain(value);
      }),
    );
  });
});
