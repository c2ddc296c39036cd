/** What would allow a task what it was denied: every advice helps, and none opens more in vain. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parsePluginOptions } from "../../src/driver/options/pluginOptions.ts";
import { isSystemCallName, systemCallNames } from "../../src/effects/kernel/systemCalls.ts";
import { callBlocker, OTHER_MACHINE } from "../../src/effects/landlock/denial.ts";
import type { PortLimits } from "../../src/effects/network/ports.ts";
import { parseTaskOptions } from "../../src/effects/parts.ts";
import { portRestrictions } from "../../src/effects/seccomp/portRestrictions.ts";
import { seccompProfile } from "../../src/effects/seccomp/profileOptions.ts";
import { type SeccompProfile, taskFilter } from "../../src/effects/seccomp/taskFilter.ts";
import { type Allowance, adviceFor, type RecordedTask, verdictsOn } from "../../src/effects/verdicts.ts";

const byDefault: SeccompProfile = { profile: "default", allow: [], deny: [] };

/** The record of a task with these options. */
function task(
  options: Readonly<Record<string, unknown>> = {},
  seccomp: SeccompProfile | null = byDefault,
): RecordedTask {
  return {
    request: { options },
    sandbox: { seccomp },
  };
}

const denied = (blocker: string, object: string | null = null) => ({ blockers: [blocker], object });
const call = (name: string) => denied(callBlocker(name));

describe("the advice on a denied access", () => {
  it.each([
    [
      "fs.read_file",
      "/etc/passwd",
      'unveil = ["r:/etc/passwd"]; on the client, this needs unveil_by_task = true',
    ],
    ["fs.make_reg", "/etc", 'unveil = ["wc:/etc"]'],
    ["fs.read_file", "/proc/17/task/18/stat", 'unveil = ["r:/proc/self/stat"]'],
    ["net.connect_tcp", "81", "connect_tcp = [53, 81, 443]; on the client, this needs 81 in connect_tcp"],
    ["net.bind_tcp", "80", "bind_tcp = [80]"],
    ["net.connect_send_udp", "123", "connect_udp = [53, 123]"],
  ])("to %s on %s names the option that allows it", (blocker, object, text) => {
    const options = { connect_tcp: [443, 53], bind_tcp: [], connect_udp: [53] };
    expect(adviceFor(denied(blocker, object), task(options))).toContain(`To allow it: ${text}`);
  });

  it.each([
    ["scope.signal", "init, pid 1", "Tasks reach only their own processes"],
    ["ptrace", "init, pid 1", "Tasks reach only their own processes"],
    ["fs.change_topology", "/mnt", "Tasks cannot mount: use volumes"],
    ["fs.make_char", "/dev/x", ""],
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
  it("names the call's option if only the profile refuses it", () => {
    expect(adviceFor(call("unshare"), task())).toBe(
      'To allow it: seccomp_allow = ["unshare"]; on the client, this needs allow_seccomp = ["unshare"]',
    );
  });

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

  it("names the profile without a filter for calls that this version does not know", () => {
    for (const name of ["32-bit", "4711"])
      expect(adviceFor(call(name), task())).toBe(
        'To allow it: seccomp = "unconfined"; on the client, this needs allow_seccomp = ["unconfined"]',
      );
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
      ports: options,
      filter: { profile, ownDeny: options.seccompDeny },
    };
    return { profile, refuses, allowance, ports: options satisfies PortLimits };
  }

  const landlocks = (name: string) => adviceFor(call(name), task()).startsWith("Tasks cannot mount");
  const calls = [...systemCallNames, "32-bit", "4711"].filter((name) => !landlocks(name));

  it("a part has a verdict exactly if the filter refuses the call, and its advice lifts the refusal", () => {
    fc.assert(
      fc.property(anyOptions, (raw) => {
        const permitted = [...raw.seccomp_allow, raw.seccomp];
        const { profile, refuses, allowance, ports: limits } = started(raw, permitted);
        for (const name of calls) {
          const verdicts = verdictsOn(call(name), allowance);
          expect([name, verdicts.length > 0]).toEqual([name, refuses(name)]);
          const advice = adviceFor(call(name), task(raw, profile));
          expect([name, advice !== ""]).toEqual([name, verdicts.length > 0]);
          const forPorts = portRestrictions(limits).some((each) => each.calls.some((one) => one === name));
          if (forPorts) expect(advice).not.toContain("To allow it");
          const [, option, value = "", permission = ""] =
            /^To allow it: (seccomp|seccomp_allow) = (.*); on the client, this needs allow_seccomp = (.*)$/.exec(
              advice,
            ) ?? [];
          if (option === undefined) continue;
          const changed =
            option === "seccomp"
              ? { ...raw, seccomp: JSON.parse(value) }
              : { ...raw, seccomp_allow: [...raw.seccomp_allow, ...JSON.parse(value)] };
          expect([name, started(changed, [...permitted, ...JSON.parse(permission)]).refuses(name)]).toEqual([
            name,
            false,
          ]);
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
