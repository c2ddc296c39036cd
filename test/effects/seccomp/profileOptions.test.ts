import { describe, expect, it } from "vitest";
import { parsePluginOptions } from "../../../src/driver/options/pluginOptions.ts";
import { parseTaskOptions } from "../../../src/effects/parts.ts";
import { seccompProfile } from "../../../src/effects/seccomp/profileOptions.ts";

const profiles = [{ offline: ["-socket", "-ptrace"], browser: ["+@namespace", "+chroot", "-ptrace"] }];

/** The task's profile, or the error. */
function profileOf(task: object, plugin: object = {}): unknown {
  const options = parsePluginOptions({ seccomp_profiles: profiles, ...plugin });
  try {
    return seccompProfile(parseTaskOptions({ command: "x", ...task }, options), options);
  } catch (thrown) {
    return (thrown as Error).message;
  }
}

const byDefault = { profile: "default", allow: [], deny: [] };
const browser = { profile: "browser", allow: ["@namespace", "chroot"], deny: ["ptrace"] };
const offline = { profile: "offline", allow: [], deny: ["ptrace", "socket"] };
const unconfined = { profile: "unconfined", allow: [], deny: [] };

describe("a task's profile", () => {
  it("is the plugin's, unless the task names another", () => {
    expect(profileOf({})).toEqual(byDefault);
    expect(profileOf({}, { seccomp: "offline" })).toEqual(offline);
    expect(profileOf({}, { seccomp: "unconfined" })).toEqual(unconfined);
    expect(profileOf({ seccomp: "browser" }, { allow_seccomp: ["browser"] })).toEqual(browser);
  });

  it("has the task's lists on top of the chosen profile's", () => {
    expect(profileOf({ seccomp_deny: ["ptrace", "@io_uring", "ptrace"] })).toEqual({
      ...byDefault,
      deny: ["@io_uring", "ptrace"],
    });
    const task = { seccomp: "browser", seccomp_allow: ["ptrace"], seccomp_deny: ["chroot"] };
    expect(profileOf(task, { allow_seccomp: ["browser", "ptrace"] })).toEqual({
      profile: "browser",
      allow: ["@namespace", "ptrace"],
      deny: ["chroot"],
    });
  });
});

describe("a task", () => {
  it.each([
    ["a profile that refuses more", { seccomp: "offline" }, {}],
    ["the default profile in place of no profile", { seccomp: "default" }, { seccomp: "unconfined" }],
    ["calls that the profile does not refuse", { seccomp_allow: ["ptrace", "listen"] }, {}],
    ["a call that is allowed", { seccomp_allow: ["keyctl"] }, { allow_seccomp: ["keyctl"] }],
    ["a call of a group that is allowed", { seccomp_allow: ["keyctl"] }, { allow_seccomp: ["@keyring"] }],
    ["a group that is allowed", { seccomp_allow: ["@keyring"] }, { allow_seccomp: ["@keyring"] }],
    ["a group whose calls are allowed", { seccomp_allow: ["@bpf"] }, { allow_seccomp: ["bpf"] }],
    ["anything if the client allows all", { seccomp: "unconfined" }, { allow_seccomp: ["all"] }],
    ["any call if the client allows all", { seccomp_allow: ["mount"] }, { allow_seccomp: ["all"] }],
  ])("may request %s", (_, task, plugin) => {
    expect(profileOf(task, plugin)).toBeTypeOf("object");
  });

  it.each([
    [
      "to run without a profile",
      { seccomp: "unconfined" },
      {},
      /"seccomp" with unconfined, but this client allows default\. Remove it, or add it to allow_seccomp/,
    ],
    [
      "a profile that allows more",
      { seccomp: "browser" },
      { allow_seccomp: ["unconfined"] },
      /"seccomp" with browser, but this client allows default, unconfined/,
    ],
    [
      "the default profile in place of a stricter one",
      { seccomp: "default" },
      { seccomp: "offline" },
      /"seccomp" with default, but this client allows offline/,
    ],
    [
      "a call that is not allowed",
      { seccomp_allow: ["mount", "ptrace"] },
      {},
      /"seccomp_allow" with mount, but this client allows none/,
    ],
    [
      "a group of which only one call is allowed",
      { seccomp_allow: ["@mount"] },
      { allow_seccomp: ["mount"] },
      /"seccomp_allow" with @mount, but this client allows mount/,
    ],
    [
      "a whole call if only one of its groups is allowed",
      { seccomp_allow: ["socket"] },
      { allow_seccomp: ["@packet"] },
      /"seccomp_allow" with socket/,
    ],
    [
      "a call that the client's profile refuses",
      { seccomp_allow: ["ptrace"] },
      { seccomp: "offline" },
      /"seccomp_allow" with ptrace/,
    ],
    [
      "a profile that does not exist",
      { seccomp: "brwser" },
      {},
      /"seccomp" with "brwser", and this client has no such profile\. Did you mean browser\?/,
    ],
    [
      "a call in both lists",
      { seccomp_allow: ["bpf"], seccomp_deny: ["bpf"] },
      {},
      /"seccomp_allow" and "seccomp_deny" both name bpf/,
    ],
    [
      "an unknown call",
      { seccomp_deny: ["ptrac"] },
      {},
      /"seccomp_deny" entry 1 \("ptrac"\) is not a system call.*Did you mean ptrace\?/,
    ],
    [
      "an unknown group",
      { seccomp_allow: ["@keyrings"] },
      {},
      /\("@keyrings"\) is not a system call.*Did you mean @keyring\?/,
    ],
    [
      "a call without a similar name",
      { seccomp_deny: ["everything-else"] },
      {},
      /is not a system call.*or one of the groups: @mount, /,
    ],
    [
      "the refusal of a call that a launch needs",
      { seccomp_deny: ["execve"] },
      {},
      /would keep every task from starting.*needs execve, write, exit_group/,
    ],
  ])("may not request %s", (_, task, plugin, message) => {
    expect(profileOf(task, plugin)).toMatch(message);
  });
});

describe("the plugin's options for profiles", () => {
  it.each([
    [{ seccomp: "strict" }, /option "seccomp" \("strict"\) is not a profile/],
    [{ allow_seccomp: ["@mont"] }, /option "allow_seccomp" \("@mont"\) is not a system call/],
    [{ seccomp_profiles: [{ default: [] }] }, /has "default", which cannot be a profile's name/],
    [{ seccomp_profiles: [{ mount: [] }] }, /has "mount", which cannot be a profile's name/],
    [{ seccomp_profiles: [{ "@x": [] }] }, /has "@x", which cannot/],
    [{ seccomp_profiles: [{ a: ["ptrace"] }] }, /has "ptrace" in a/],
    [{ seccomp_profiles: [{ a: ["-ptrac"] }] }, /has "-ptrac" in a/],
    [{ seccomp_profiles: [{ a: ["-write"] }] }, /has "-write" in a/],
    [{ seccomp_profiles: [{ a: [] }, { a: [] }] }, /has "a" twice/],
    [{ seccomp_profiles: [{ a: "x" }] }, /option "seccomp_profiles"/],
    [{ seccomp_profiles: "x" }, /must be a block of profiles, not a string/],
  ])("are refused: %j", (options, message) => {
    expect(() => parsePluginOptions(options)).toThrow(message);
  });

  it("may name every existing call and group", () => {
    const options = {
      seccomp: "offline",
      seccomp_profiles: profiles,
      allow_seccomp: ["all", "browser", "@bpf", "mount"],
    };
    expect(parsePluginOptions(options)).toMatchObject({
      seccomp: "offline",
      allowSeccomp: options.allow_seccomp,
    });
  });
});
