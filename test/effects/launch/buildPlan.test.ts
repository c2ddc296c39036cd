import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildLaunchPlan } from "../../../src/effects/launch/buildPlan.ts";
import { describePlan } from "../../../src/effects/launch/describePlan.ts";
import { type LaunchPlan, type Phase, phases } from "../../../src/effects/launch/plan.ts";
import { anyLaunchInput } from "../../support/anyLaunchInput.ts";
import { launchInput } from "../../support/launchRun.ts";

const names = (plan: LaunchPlan, phase: Phase) => [...new Set(plan.steps[phase].map(({ name }) => name))];

describe("a launch plan", () => {
  it("gives up privileges in an order that works, and executes last", () => {
    const plan = buildLaunchPlan(launchInput());
    expect(names(plan, "task")).toEqual([
      "give the task a session",
      "report the task",
      "set oom_score_adj",
      "limit open files",
      "set the umask",
      "set groups",
      "set gid",
      "set uid",
      "drop capabilities",
      "enter the working directory",
      "forbid new privileges",
      "restrict by Landlock",
      "hide descriptors",
      "execute the command",
    ]);
  });

  it("keeps capabilities only for root", () => {
    expect(names(buildLaunchPlan(launchInput({ uid: 0 })), "task")).not.toContain("drop capabilities");
  });

  it.each([-1, 2 ** 32 - 1, 2 ** 32, 1.5, Number.NaN])(
    "takes no %d for a uid, gid or group: it could mean root",
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
    expect(describePlan(plan)[1]).toBe(
      'outside   enter namespaces and cgroup: openat(AT_FDCWD, "/sys/fs/cgroup/task", O_PATH|O_CLOEXEC, 0)',
    );
    expect(describePlan(plan)[2]).toContain("CLONE_INTO_CGROUP, exit_signal: SIGCHLD, cgroup: 6}");
  });

  it("joins a network namespace, makes one, or leaves the host's", () => {
    const lines = (network: Parameters<typeof launchInput>[0]) =>
      describePlan(buildLaunchPlan(launchInput(network))).filter((line) => line.includes("network"));
    expect(lines({ network: { kind: "host" } })).toEqual([]);
    expect(lines({ network: { kind: "join", path: "/run/netns/a" } })).toEqual([
      'init      join the network namespace: openat(AT_FDCWD, "/run/netns/a", O_RDONLY|O_CLOEXEC, 0)',
      "init      join the network namespace: setns(9, CLONE_NEWNET)",
      "init      join the network namespace: close(9)",
    ]);
    expect(lines({ network: { kind: "loopback" } })[2]).toContain(
      'ioctl(9, SIOCSIFFLAGS, {ifr_name: "lo", ifr_flags: IFF_UP})',
    );
  });

  it("has a host name of its own only where it is to have one", () => {
    const lines = describePlan(buildLaunchPlan(launchInput({ hostname: "web-1" })));
    expect(lines[1]).toContain("{flags: CLONE_NEWPID|CLONE_NEWNS|CLONE_NEWIPC|CLONE_NEWUTS, ");
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
          { ...volume, target: "/data" },
          { ...device, target: "/dev/b" },
        ],
        hidden: [
          { path: "/srv/a", isFolder: true },
          { path: "/srv/file", isFolder: false },
        ],
      }),
    );
    expect(names(plan, "init").filter((name) => /mount|open the (volume|device)|hide/.test(name))).toEqual([
      "keep mounts from the host",
      "open the volume for /data",
      "open the device for /dev/b",
      "mount /proc",
      "mount private /tmp",
      "mount the volume /data",
      "mount the device /dev/b",
      "hide /srv/a",
      "hide /srv/file",
    ]);
    const lines = describePlan(plan);
    const attributes = "MOUNT_ATTR_RDONLY|MOUNT_ATTR_NOSUID|MOUNT_ATTR_NODEV";
    expect(lines).toContain(
      `init      open the volume for /data: mount_setattr(9, "", AT_EMPTY_PATH|AT_RECURSIVE, {attr_set: ${attributes}, propagation: MS_PRIVATE}, 32)`,
    );
    expect(lines).toContain(
      'init      mount the volume /data: openat2(AT_FDCWD, "/data", {flags: O_PATH|O_CLOEXEC, resolve: RESOLVE_NO_SYMLINKS}, 24)',
    );
    expect(lines).toContain("init      open the device for /dev/b: dup3(9, 11, O_CLOEXEC)");
  });

  it("mounts the private /tmp without following a symlink, then the binds", () => {
    const bind = { source: "/run/resolv.conf", target: "/etc/resolv.conf", readOnly: true };
    const plan = buildLaunchPlan(launchInput({ privateTmp: "/task/tmp", binds: [bind] }));
    expect(names(plan, "init").filter((name) => name.startsWith("mount "))).toEqual([
      "mount /proc",
      "mount private /tmp",
      "mount /etc/resolv.conf",
    ]);
    const lines = describePlan(plan);
    expect(lines).toContain(
      'init      mount private /tmp: open_tree(AT_FDCWD, "/task/tmp", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_SYMLINK_NOFOLLOW)',
    );
    expect(lines).toContain(
      'init      mount /etc/resolv.conf: mount_setattr(9, "", AT_EMPTY_PATH|AT_RECURSIVE, {attr_set: MOUNT_ATTR_RDONLY}, 32)',
    );
  });

  it("describes every step in one line and never shows a value of the environment", () => {
    const secret = fc.stringMatching(/^[a-z]{12,}$/);
    fc.assert(
      fc.property(anyLaunchInput, secret, (input, value) => {
        const plan = buildLaunchPlan({ ...input, env: { ...input.env, TOKEN: value } });
        const lines = describePlan(plan);
        expect(lines).toHaveLength(phases.flatMap((phase) => plan.steps[phase]).length);
        expect(lines.join("\n")).toContain('"TOKEN=…"');
        expect(lines.join("\n")).not.toContain(value);
      }),
    );
  });
});
