/** What would allow a task what it was denied: every advice helps, and none opens more in vain. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parsePluginOptions } from "../../src/driver/options/pluginOptions.ts";
import { callBlocker, OTHER_MACHINE } from "../../src/effects/denial.ts";
import { isSystemCallName, systemCallNames } from "../../src/effects/kernel/systemCalls.ts";
import type { PortLimits } from "../../src/effects/network/ports.ts";
import { parseTaskOptions } from "../../src/effects/parts.ts";
import { defaultProfile } from "../../src/effects/seccomp/defaultProfile.ts";
import { portRestrictions } from "../../src/effects/seccomp/portRestrictions.ts";
import { seccompProfile } from "../../src/effects/seccomp/profileOptions.ts";
import { type SeccompProfile, taskFilter } from "../../src/effects/seccomp/taskFilter.ts";
import {
  type Allowance,
  adviceFor,
  isProbe,
  type RecordedTask,
  settingsFor,
  verdictsOn,
} from "../../src/effects/verdicts.ts";

const byDefault: SeccompProfile = { profile: "default", allow: [], deny: [] };

const id = "11111111-2222-3333-4444-555555555555";
const allocDir = `/opt/nomad/alloc/${id}`;
const own = `/opt/nomad/alloc_mounts/${id}-web`;

/** The record of a task with these options. */
function task(
  options: Readonly<Record<string, unknown>> = {},
  seccomp: SeccompProfile | null = byDefault,
): RecordedTask {
  return {
    request: { options, allocId: id, allocDir },
    sandbox: {
      ...{ seccomp, capabilities: null, egress: null },
      unveiled: ["local", "secrets", "alloc"].map((name) => ({ path: `${own}/${name}`, source: "folder" })),
    },
    names: [],
  };
}

const denied = (blocker: string, object: string | null = null) => ({ blockers: [blocker], object });
const call = (name: string) => denied(callBlocker(name));

describe("the advice on a refused destination", () => {
  const lists = { allowed: ["db.example.org:5432"], denied: ["169.254.0.0/16"] };
  const until = Date.UTC(2026, 0, 1, 10, 2);
  const limited = {
    ...task(),
    sandbox: { seccomp: byDefault, capabilities: null, unveiled: [], egress: lists },
    names: [
      {
        name: "db.example.org",
        addresses: ["198.51.100.9"],
        former: [{ address: "198.51.100.7", until }],
      },
    ],
  };

  it("is the entry that allows it and nothing else", () => {
    expect(adviceFor(denied("egress.tcp", "192.0.2.7:443"), limited)).toBe(
      'To allow it: egress = ["db.example.org:5432", "tcp:192.0.2.7:443"]; on the client, this needs tcp:192.0.2.7:443 in egress, if this option is set there',
    );
    expect(adviceFor(denied("egress.udp", "[2001:db8::1]:443"), limited)).toContain(
      '"udp:[2001:db8::1]:443"]',
    );
  });

  it("is the name that had the address until it got another", () => {
    const advice = adviceFor(denied("egress.tcp", "198.51.100.7:5432"), limited);
    expect(advice).toMatch(
      /^It was an address of db\.example\.org until .*, which is 198\.51\.100\.9 now\. A program/,
    );
    expect(settingsFor(denied("egress.tcp", "198.51.100.7:5432"), limited)).toEqual([]);
  });

  it("is none for what the client denies, and for sockets without destinations", () => {
    expect(adviceFor(denied("egress.tcp", "169.254.169.254:80"), limited)).toBe(
      "The client's egress_denied has 169.254.0.0/16",
    );
    expect(adviceFor(denied("egress.socket", "raw"), limited)).toMatch(/^Only tasks without egress/);
  });

  it("is no entry for name servers, which pass data on to anybody", () => {
    expect(adviceFor(denied("egress.udp", "10.0.0.53:53"), limited)).toContain("send data to anybody");
    expect(settingsFor(denied("egress.udp", "10.0.0.53:53"), limited)).toEqual([]);
  });

  it("is nothing for what the task may reach", () => {
    expect(adviceFor(denied("egress.tcp", "198.51.100.9:5432"), limited)).toBe("");
  });
});

describe("the advice on a denied access", () => {
  it.each([
    [
      "fs.read_file",
      "/etc/passwd",
      'unveil = ["r:/etc/passwd"]; on the client, this needs unveil_allowed or unveil_by_task',
    ],
    ["fs.read_file", "/proc/loadavg", 'unveil = ["r:/proc/loadavg"]'],
    ["net.connect_tcp", "81", "connect_tcp = [53, 81, 443]; on the client, this needs 81 in connect_tcp"],
    ["net.bind_tcp", "8080", "bind_tcp = [8080]; on the client, this needs 8080 in bind_tcp"],
    [
      "net.bind_tcp",
      "80",
      'bind_tcp = [80] and cap_add = ["net_bind_service"]; on the client, this needs 80 in bind_tcp, if this option is set there, and net_bind_service in allow_caps',
    ],
    ["net.connect_send_udp", "123", "connect_udp = [53, 123]"],
  ])("to %s on %s names the option that allows it", (blocker, object, text) => {
    const options = { connect_tcp: [443, 53], bind_tcp: [], connect_udp: [53] };
    expect(adviceFor(denied(blocker, object), task(options))).toContain(`To allow it: ${text}`);
  });

  it("to move a file to where it would have further rights asks for the same rights", () => {
    const blockers = ["fs.execute", "fs.read_file", "fs.read_dir", "fs.make_char"];
    expect(adviceFor({ blockers, object: "/srv/target" }, task())).toBe(
      "A file is moved or linked only between folders with the same rights: unveil both with the same letters",
    );
  });

  it("to change the entries of a folder says that the entry applies to everything below it", () => {
    expect(adviceFor(denied("fs.make_reg", "/srv/x"), task())).toBe(
      'To allow it, with everything below /srv/x: unveil = ["wc:/srv/x"]; on the client, this needs unveil_allowed or unveil_by_task',
    );
  });

  it.each([
    ["fs.read_file", "/proc/17/task/18/environ", "reading in all of /proc"],
    ["fs.read_dir", "/etc", "the same in everything below /etc, which many programs share"],
    ["fs.make_reg", "/var/lib", "the same in everything below /var/lib"],
    ["fs.ioctl_dev", "/dev/kvm", "writing to the device"],
    ["fs.resolve_unix", "/run/docker.sock", "everything that the service behind this socket does"],
  ])("to %s on %s has no line to copy, but says what else it would allow", (blocker, object, text) => {
    const advice = adviceFor(denied(blocker, object), task());
    expect(advice).toMatch(/^The entry "\w+:\/.*" in unveil would allow it, and /);
    expect(advice).toContain(text);
    expect(advice).not.toContain("To allow it");
  });

  it.each([
    ["/", "An entry for / would open other allocations"],
    ["/opt/nomad", "An entry for /opt/nomad would open other allocations"],
    [allocDir, "the next allocation has another folder: use those that NOMAD_TASK_DIR"],
    [`${allocDir}/other/local/x`, "the next allocation has another folder"],
    [`${own}/secrets/program`, "the next allocation has another folder"],
    ["/opt/nomad/alloc/other-id/web/secrets/x", "It belongs to another allocation"],
  ])("to %s names no entry, because no allocation could use it or it would open others", (object, text) => {
    const advice = adviceFor(denied("fs.make_dir", object), task());
    expect(advice).toContain(text);
    expect(advice).not.toContain("unveil = ");
  });

  it("to a file of root_dir names no entry, because none would make the folder writable", () => {
    const inFolder = (isWritable: boolean) =>
      task({ root_dir: "local/rootfs", root_dir_writable: isWritable });
    expect(adviceFor(denied("fs.write_file", "/srv/file"), inFolder(false))).toBe(
      "A task only reads root_dir: set root_dir_writable, or write to NOMAD_TASK_DIR, NOMAD_ALLOC_DIR or /tmp",
    );
    expect(adviceFor(denied("fs.make_reg", "/"), inFolder(true))).toBe(
      "The top of root_dir does not change: write to a folder in it",
    );
    expect(adviceFor(denied("fs.read_file", "/proc/meminfo"), inFolder(false))).toContain(
      'unveil = ["r:/proc/meminfo"]',
    );
  });

  it.each([
    ["scope.signal", "init, pid 1", "Tasks reach only their own processes"],
    ["ptrace", "init, pid 1", "Tasks reach only their own processes"],
    ["fs.change_topology", "/mnt", "Tasks cannot mount: use volumes"],
    ["fs.make_char", "/dev/x", "Tasks make no devices: use those of a device block"],
    ["fs.make_block", "/srv", "Tasks make no devices: use those of a device block"],
    ["fs.new_in_the_kernel", "/x", ""],
    ["net.new_in_the_kernel", "80", ""],
    ["new.in_the_kernel", null, ""],
    ["fs.read_file", null, ""],
    ["net.connect_tcp", null, ""],
  ])("to %s on %s names no option, because none allows it", (blocker, object, text) => {
    expect(adviceFor(denied(blocker, object), task({ connect_tcp: [] }))).toBe(text);
  });
});

describe("the advice on a refused system call", () => {
  it("names the call's option if only the operator's profile refuses it", () => {
    const ours = { profile: "ours", allow: [], deny: ["ptrace"] };
    expect(adviceFor(call("ptrace"), task({}, ours))).toBe(
      'To allow it: seccomp_allow = ["ptrace"]; on the client, this needs allow_seccomp = ["ptrace"]',
    );
  });

  it.each([
    [
      "unshare",
      [],
      "The filter refuses unshare with new namespaces: a user namespace gives",
      "unshare in seccomp_allow",
    ],
    ["chmod", [], "with set-user-ID or set-group-ID in the mode", "chmod in seccomp_allow"],
    ["io_uring_setup", [], "without passing the filter", "io_uring_setup in seccomp_allow"],
    ["sethostname", [], "the task's host name is the host's", "sys_admin in cap_add"],
    ["clock_settime", [], "the clock is the host's", "sys_time in cap_add"],
    ["chroot", ["chroot"], "", "sys_chroot in cap_add"],
    ["open_by_handle_at", [], "by their inodes", "dac_read_search in cap_add"],
    ["name_to_handle_at", [], "by their inodes", "name_to_handle_at in seccomp_allow"],
    ["socket", [], "families other than unix, IPv4, IPv6 and netlink", "@socket in seccomp_allow"],
    ["socket", [], "AF_PACKET, AF_XDP", "net_raw in cap_add"],
  ])(
    "%s, beside %j in seccomp_allow, has no line to copy, but the risk and the smallest remedy",
    (name, allow, risk, remedy) => {
      const advice = adviceFor(call(name), task({}, { ...byDefault, allow }));
      expect(advice).toContain(risk);
      expect(advice).toContain(` ${remedy}`);
      expect(advice).not.toContain("To allow it");
      expect(advice).not.toMatch(/ = \[/);
    },
  );

  it.each([
    ["listen", { bind_tcp: [] }, "with a port in bind_tcp, or without bind_tcp, can listen"],
    ["setsockopt", { connect_tcp: [443] }, "without connect_tcp can use upper-layer protocols of TCP"],
    ["io_uring_setup", { bind_tcp: [80] }, "without bind_tcp can use io_uring"],
    ["sendto", { connect_tcp: [], bind_tcp: [] }, "without connect_tcp can use TCP Fast Open"],
    ["socket", { connect_tcp: [], bind_tcp: [] }, "without connect_tcp and bind_tcp can use Multipath TCP"],
    ["socket", { bind_udp: [53] }, "without bind_udp can use SCTP or RxRPC"],
    ["32-bit", { connect_tcp: [], bind_udp: [] }, "without connect_tcp and bind_udp can run 32-bit programs"],
  ])("%s under %j says that no profile allows it beside limits on ports", (name, limits, text) => {
    for (const profile of ["default", "unconfined"]) {
      const advice = adviceFor(call(name), task(limits, { ...byDefault, profile }));
      expect(advice).toContain(`Only tasks ${text}`);
      expect(advice).not.toContain("seccomp");
    }
  });

  it("says that mounting needs a volume, whatever the filter allows", () => {
    for (const profile of ["default", "unconfined"])
      expect(adviceFor(call("mount"), task({}, { ...byDefault, profile }))).toBe(
        "Tasks cannot mount: use volumes",
      );
  });

  it("names the task's own list if that refuses the call", () => {
    const denying = (...deny: string[]) => task({ seccomp_deny: deny }, { ...byDefault, deny });
    expect(adviceFor(call("ptrace"), denying("ptrace"))).toBe(
      "Only tasks without ptrace in seccomp_deny can use it",
    );
    expect(adviceFor(denied(OTHER_MACHINE), denying("ptrace"))).toBe(
      "Only tasks without seccomp_deny can run 32-bit programs",
    );
  });

  it("of 32-bit programs says what the profile without a filter allows besides", () => {
    const advice = adviceFor(denied(OTHER_MACHINE), task());
    expect(advice).toContain("The profile unconfined (seccomp) has none, and so allows every system call");
    expect(advice).not.toContain("To allow it");
  });

  it("is none if only the program's own filter can have refused the call", () => {
    expect(adviceFor(call("getpid"), task())).toBe("");
    expect(adviceFor(call("unshare"), task({}, { ...byDefault, profile: "unconfined" }))).toBe("");
  });
});

describe("for every call, profile and limit on ports", () => {
  const ports = fc.option(fc.constantFrom([], [80]), { nil: undefined });
  const names = fc.constantFrom(
    "socket",
    "listen",
    "bpf",
    "io_uring_setup",
    "ptrace",
    "@io_uring",
    "@socket",
  );
  const anyOptions = fc
    .record({
      seccomp: fc.constantFrom("default", "unconfined", "ours"),
      seccomp_allow: fc.uniqueArray(names, { maxLength: 2 }),
      seccomp_deny: fc.uniqueArray(names, { maxLength: 2 }),
      connect_tcp: ports,
      bind_tcp: ports,
      connect_udp: ports,
      bind_udp: ports,
    })
    .filter(({ seccomp_allow, seccomp_deny }) => !seccomp_allow.some((name) => seccomp_deny.includes(name)));

  const ours = { seccomp_profiles: [{ ours: ["+bpf", "-ptrace"] }] };

  /** The filter of a task with these options, where the client permits them. */
  function started(raw: Readonly<Record<string, unknown>>, allow_seccomp: readonly string[]) {
    const plugin = parsePluginOptions({ ...ours, allow_seccomp });
    const options = parseTaskOptions({ command: "true", ...raw }, plugin);
    const profile = seccompProfile(options, plugin);
    const refuses = (name: string) => {
      const filter = taskFilter(profile, options);
      if (name === "32-bit") return filter !== undefined;
      if (!isSystemCallName(name)) return filter?.refusesUnknown === true;
      return filter?.restrictions.some(({ calls }) => calls.includes(name)) === true;
    };
    const allowance: Allowance = {
      isUnveiled: () => false,
      own: { allocId: "", folders: [] },
      capabilities: [],
      capAdd: [],
      ports: options,
      egress: { egressDenied: [], names: new Map(), former: [] },
      disk: options,
      filter: { profile, ownDeny: options.seccompDeny },
    };
    return { profile, refuses, allowance, ports: options satisfies PortLimits };
  }

  const landlocks = (name: string) => adviceFor(call(name), task()).startsWith("Tasks cannot mount");
  const calls = [...systemCallNames, "32-bit", "4711"].filter((name) => !landlocks(name));

  /** Calls of the default profile that the kernel permits only with a capability. */
  const privileged = new Set(
    defaultProfile.flatMap(({ kernelNeeds = [], unprivileged = [], restrictions }) =>
      kernelNeeds.length === 0
        ? []
        : restrictions.flatMap(({ calls }) => calls.filter((each) => !unprivileged.includes(each))),
    ),
  );

  it("a part has a verdict exactly if the filter or the kernel refuses the call, and every line lifts the refusal", () => {
    fc.assert(
      fc.property(anyOptions, (raw) => {
        const permitted = [...raw.seccomp_allow, raw.seccomp];
        const { profile, refuses, allowance, ports: limits } = started(raw, permitted);
        for (const name of calls) {
          const verdicts = verdictsOn(call(name), allowance);
          const lacks = isSystemCallName(name) && privileged.has(name);
          expect([name, verdicts.length > 0]).toEqual([name, refuses(name) || lacks]);
          const advice = adviceFor(call(name), task(raw, profile));
          expect([name, advice !== ""]).toEqual([name, verdicts.length > 0]);
          const forPorts = portRestrictions(limits).some((each) => each.calls.some((one) => one === name));
          if (forPorts || lacks || name === "32-bit") expect(advice).not.toContain("To allow it");
          const [, value = ""] =
            /^To allow it: seccomp_allow = (.*); on the client, this needs allow_seccomp = (?:.*)$/.exec(
              advice,
            ) ?? [];
          expect([name, value !== ""]).toEqual([name, advice.includes("To allow it")]);
          if (value === "") continue;
          const changed = { ...raw, seccomp_allow: [...raw.seccomp_allow, ...JSON.parse(value)] };
          const after = started(changed, [...permitted, ...JSON.parse(value)]);
          expect([name, after.refuses(name)]).toEqual([name, false]);
          // The line allows this call, and no other.
          const others = calls.filter((each) => each !== name);
          expect([name, others.filter(after.refuses)]).toEqual([name, others.filter(refuses)]);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("a task without the options that a verdict on ports names is refused nothing by such limits", () => {
    fc.assert(
      fc.property(anyOptions, (raw) => {
        const unconfined = { ...raw, seccomp: "unconfined", seccomp_allow: [], seccomp_deny: [] };
        const permitted = ["unconfined"];
        const { refuses, profile } = started(unconfined, permitted);
        for (const name of calls.filter(refuses)) {
          const advice = adviceFor(call(name), task(unconfined, profile));
          const without = new Set(advice.match(/\b(?:connect|bind)_(?:tcp|udp)\b/g));
          const left = Object.entries(unconfined).filter(([option]) => !without.has(option));
          expect([name, started(Object.fromEntries(left), permitted).refuses(name)]).toEqual([name, false]);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe("a probe", () => {
  const probes = (denial: { blockers: string[]; object: string | null }, given = task()) =>
    isProbe(denial, given);

  it.each(["clone3", "openat2", "statmount", "4711", "1073741934"])(
    "is the call %s, which the filter answers as a kernel without it does",
    (name) => {
      expect(probes(call(name))).toBe(true);
      expect(adviceFor(call(name), task())).not.toContain("To allow it");
    },
  );

  it.each(["unshare", "socket", "sethostname", "32-bit"])(
    "is not the call %s, which fails otherwise",
    (name) => {
      expect(probes(call(name))).toBe(false);
    },
  );

  it("is no call that the task's own list refuses", () => {
    expect(probes(call("clone3"), task({}, { ...byDefault, deny: ["clone3"] }))).toBe(false);
    expect(probes(call("clone3"), task({}, { ...byDefault, profile: "unconfined" }))).toBe(false);
  });

  it.each(["/", "/opt", "/opt/nomad/alloc_mounts", own, allocDir])(
    "is a listing of %s, around the own folders",
    (path) => {
      expect(probes(denied("fs.read_dir", path))).toBe(true);
      expect(probes(denied("fs.make_reg", path))).toBe(false);
    },
  );

  it.each([
    ...["/proc/7/cgroup", "/proc/self/maps", "/proc/meminfo", "/proc/stat", "/etc/nsswitch.conf"],
    ...["/proc/4/task/5/comm", "/sys/devices/system/cpu/online", "/proc/sys/net/core/somaxconn"],
  ])("is a look at %s", (path) => {
    expect(probes(denied("fs.read_file", path))).toBe(true);
    expect(probes({ blockers: ["fs.write_file", "fs.read_file"], object: path })).toBe(true);
    expect(probes(denied("fs.execute", path))).toBe(false);
  });

  it.each([
    "/etc/passwd",
    "/etc/ssl/openssl.cnf",
    "/proc/kcore",
    "/proc/7/environ",
    "/proc/meminfo/x",
    "/srv/proc/stat",
  ])("is no look at %s", (path) => expect(probes(denied("fs.read_file", path))).toBe(false));
});
