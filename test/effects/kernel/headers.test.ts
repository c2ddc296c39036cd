/** Numbers and layouts, compared with what the C compiler makes of the headers. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { expect, it, type TestContext } from "vitest";
import { capabilityNames } from "../../../src/config/options/capabilities.ts";
import * as constants from "../../../src/effects/kernel/constants.ts";
import { systemCallNumber, systemCalls } from "../../../src/effects/kernel/systemCalls.ts";
import { requireTools } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const headers = `stdio.h stddef.h signal.h spawn.h net/if.h sys/resource.h sys/socket.h sys/syscall.h
  linux/capability.h linux/close_range.h linux/keyctl.h linux/landlock.h linux/memfd.h linux/mount.h
  linux/pidfd.h linux/prctl.h linux/sched.h linux/sockios.h linux/fcntl.h linux/openat2.h linux/magic.h
  sys/ioctl.h poll.h`.split(/\s+/);

/** The one that the kernel has no name for, and those that are newer than the headers of Debian 13. */
const { HIGHEST_DESCRIPTOR, PIDFD_GET_INFO, PIDFD_INFO_EXIT, resourceNumbers, ...named } = constants;

/** Names that the headers of Debian 12 (Linux 6.1) lack. Only these may be missing: one that is misspelt is not. */
const newerNames = ["MFD_EXEC", "PIDFD_SIGNAL_PROCESS_GROUP", "landlock_net_port_attr"];

/** Compares numbers with what C has for their names, but for those that are newer than the headers. */
function expectInC(context: TestContext, ours: Readonly<Record<string, number>>): void {
  const found = evaluateInC(Object.keys(ours));
  const lacking = Object.keys(ours).filter(
    (text) => !(text in found) && newerNames.some((name) => text.includes(name)),
  );
  if (lacking.length > 0) {
    console.warn(`NOT TESTED: "${context.task.name}" for ${lacking.join(", ")}: older headers are installed`);
  }
  const known = Object.entries(ours).filter(([text]) => !lacking.includes(text));
  expect(found).toEqual(Object.fromEntries(known));
}

/** The numbers that C has for expressions, without those that it cannot make sense of. */
function evaluateInC(expressions: readonly string[]): Record<string, number> {
  const { output, errorLines } = compile(expressions);
  if (errorLines.size > 0) return evaluateInC(expressions.filter((_, index) => !errorLines.has(index + 1)));
  const lines = output.trim().split("\n");
  return Object.fromEntries(
    lines.map((line) => line.split("\t")).map(([text, value]) => [text, Number(value)]),
  );
}

/**
 * What a program with a line for each expression prints, or which of its lines are wrong, from 1 on.
 * (fcntl.h would define what linux/fcntl.h does.)
 */
function compile(expressions: readonly string[]): { output: string; errorLines: ReadonlySet<number> } {
  const folder = temporaryFolder();
  const includes = headers.map((header) => `#include <${header}>`);
  // A compiler tells of an unknown name once a function.
  const lines = expressions.map((text, index) => `static long long f${index}(void) { return ${text}; }`);
  const prints = expressions.map((text, index) => `printf("%s\\t%lld\\n", "${text}", f${index}());`);
  const source = [
    ...["#define _GNU_SOURCE", ...includes, '#line 1 "numbers"', ...lines],
    ...["int main(void) {", ...prints, "}"],
  ];
  writeFileSync(`${folder}/numbers.c`, source.join("\n"));
  const { status, stderr } = spawnSync("cc", ["-fmax-errors=0", "-o", "numbers", "numbers.c"], {
    cwd: folder,
    encoding: "utf8",
  });
  const errorLines = new Set(
    [...stderr.matchAll(/^numbers:(\d+):.*error:/gm)].map(([, line]) => Number(line)),
  );
  if (status !== 0 && errorLines.size === 0) throw new Error(stderr);
  const output = status === 0 ? execFileSync(`${folder}/numbers`, { encoding: "utf8" }) : "";
  return { output, errorLines };
}

it("every constant is the header's", (context) => {
  requireTools(context, "cc");
  expectInC(context, { ...named, ...resourceNumbers });
  expect(HIGHEST_DESCRIPTOR).toBe(2 ** 32 - 1);
  const infoCall = "_IOWR(0xff, 11, char[64]) & 0xffffffff";
  expect([PIDFD_GET_INFO, PIDFD_INFO_EXIT]).toEqual([evaluateInC([infoCall])[infoCall], 8]);
});

it("every system call has the number of this architecture's header", (context) => {
  requireTools(context, "cc");
  const ours = systemCalls.map((call) => [
    `SYS_${call}`,
    systemCallNumber(call, process.arch === "arm64" ? "arm64" : "x64"),
  ]);
  expectInC(context, Object.fromEntries(ours));
});

it("every system call has arm64's number in the generic header", (context) => {
  requireTools(context, "cc");
  const header = readFileSync("/usr/include/asm-generic/unistd.h", "utf8");
  const numbers = new Map(
    [...header.matchAll(/#define __NR3?_?(?:3264_)?(\w+)\s+(\d+)/g)].map((m) => [m[1], Number(m[2])]),
  );
  for (const call of systemCalls)
    expect([call, systemCallNumber(call, "arm64")]).toEqual([call, numbers.get(call)]);
});

it("structs have the sizes and offsets that the layouts assume", (context) => {
  requireTools(context, "cc");
  const expected = {
    "sizeof(struct clone_args)": 88,
    "offsetof(struct clone_args, flags)": 0,
    "offsetof(struct clone_args, exit_signal)": 32,
    "offsetof(struct clone_args, cgroup)": 80,
    "sizeof(struct mount_attr)": 32,
    "offsetof(struct mount_attr, attr_set)": 0,
    "offsetof(struct mount_attr, propagation)": 16,
    "sizeof(struct open_how)": 24,
    "offsetof(struct open_how, mode)": 8,
    "offsetof(struct open_how, resolve)": 16,
    "sizeof(struct landlock_net_port_attr)": 16,
    "offsetof(struct landlock_net_port_attr, port)": 8,
    "sizeof(struct rlimit64)": 16,
    "offsetof(struct rlimit64, rlim_max)": 8,
    "sizeof(gid_t)": 4,
    "sizeof(struct ifreq)": 40,
    "offsetof(struct ifreq, ifr_flags)": 16,
    "sizeof(((struct ifreq *)0)->ifr_flags)": 2,
    "sizeof(struct __user_cap_header_struct)": 8,
    "sizeof(struct __user_cap_data_struct) * _LINUX_CAPABILITY_U32S_3": 24,
    _LINUX_CAPABILITY_VERSION_3: 0x20080522,
  };
  expectInC(context, expected);
});

it("every capability has the number of its name's constant", (context) => {
  requireTools(context, "cc");
  const ours = capabilityNames.map((name, number) => [`CAP_${name.toUpperCase()}`, number]);
  expectInC(context, Object.fromEntries(ours));
});
