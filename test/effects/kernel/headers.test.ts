/** Compares numbers and layouts with those that a C compiler computes from the headers. */
import { execFileSync, spawnSync } from "node:child_process";
import { constants as fileConstants, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it, type TestContext } from "vitest";
import { capabilityNames } from "../../../src/effects/kernel/capabilities.ts";
import * as constants from "../../../src/effects/kernel/constants.ts";
import * as filterConstants from "../../../src/effects/kernel/kernelConstants.ts";
import {
  type Architecture,
  highestSystemCall,
  isSystemCallName,
  systemCallNames,
  systemCallNumber,
} from "../../../src/effects/kernel/systemCalls.ts";
import {
  abiWith,
  LATEST_ABI,
  type LandlockRight,
  maskOfRights,
  rightsOfFamily,
} from "../../../src/effects/landlock/rights.ts";
import { requireTools } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const headers = `stdio.h stddef.h signal.h spawn.h net/if.h sys/resource.h sys/socket.h sys/syscall.h
  linux/capability.h linux/close_range.h linux/keyctl.h linux/landlock.h linux/memfd.h linux/mount.h
  linux/pidfd.h linux/prctl.h linux/sched.h linux/sockios.h linux/fcntl.h linux/openat2.h linux/magic.h
  linux/seccomp.h linux/audit.h linux/netlink.h linux/personality.h linux/ioprio.h netinet/in.h netinet/tcp.h sys/stat.h sys/mount.h sys/ioctl.h sys/mman.h
  poll.h sys/epoll.h sys/inotify.h linux/sock_diag.h linux/fs.h linux/wait.h`.split(/\s+/);

/**
 * All but `named` are compared separately. The kernel has no name for the first and another name for `O_ASYNC`. The
 * `PIDFD_` constants are newer than the headers of Debian 13. `resourceNumbers` is an object. Those of splice(2) are
 * only in fcntl.h, which conflicts with linux/fcntl.h.
 */
const { HIGHEST_DESCRIPTOR, O_ASYNC, PIDFD_GET_INFO, PIDFD_INFO_EXIT, resourceNumbers, ...others } =
  constants;
const { SPLICE_F_MOVE, SPLICE_F_NONBLOCK, ...named } = others;

/**
 * Names that the headers of Debian 12 (Linux 6.1) lack. Only these may be missing, so that the test finds
 * misspelt names.
 */
const newerNames = [
  "MFD_EXEC",
  "AUDIT_LANDLOCK_ACCESS",
  "AUDIT_LANDLOCK_DOMAIN",
  "LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON",
  "LANDLOCK_RULE_NET_PORT",
  "LANDLOCK_RESTRICT_SELF_LOG_SUBDOMAINS_OFF",
  "PIDFD_SIGNAL_PROCESS_GROUP",
  "landlock_net_port_attr",
  ...[...rightsOfFamily("fs"), ...rightsOfFamily("net"), ...rightsOfFamily("scope")]
    .filter((right) => abiWith(right) > 2)
    .map(landlockConstant),
];

/** `fs.read_file` is LANDLOCK_ACCESS_FS_READ_FILE, `scope.signal` LANDLOCK_SCOPE_SIGNAL. */
function landlockConstant(right: LandlockRight): string {
  const name = right.replace(".", "_").toUpperCase();
  return right.startsWith("scope.") ? `LANDLOCK_${name}` : `LANDLOCK_ACCESS_${name}`;
}

/** Compares numbers with C's values for their names, except names that are newer than the headers. */
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

/** C's values of the expressions. Leaves out expressions that do not compile. */
function evaluateInC(expressions: readonly string[], included = headers): Record<string, number> {
  const { output, errorLines } = compile(expressions, included);
  if (errorLines.size > 0)
    return evaluateInC(
      expressions.filter((_, index) => !errorLines.has(index + 1)),
      included,
    );
  const lines = output.trim().split("\n");
  return Object.fromEntries(
    lines.map((line) => line.split("\t")).map(([text, value]) => [text, Number(value)]),
  );
}

/**
 * Compiles a program with a line for each expression. Returns its output, or the numbers of the lines that do
 * not compile, counted from 1.
 */
function compile(
  expressions: readonly string[],
  included: readonly string[],
): { output: string; errorLines: ReadonlySet<number> } {
  const folder = temporaryFolder();
  const includes = included.map((header) => `#include <${header}>`);
  // A compiler reports an unknown name only once per function, so each expression is in its own function.
  const lines = expressions.map((text, index) => `static long long f${index}(void) { return ${text}; }`);
  const prints = expressions.map((text, index) => `printf("%s\\t%lld\\n", "${text}", f${index}());`);
  const source = [
    "#define _GNU_SOURCE",
    // Before glibc 2.37, sys/mount.h includes fcntl.h, which conflicts with linux/fcntl.h.
    ...(included.includes("linux/fcntl.h") ? ["#define _FCNTL_H"] : []),
    ...[...includes, '#line 1 "numbers"', ...lines],
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
  // The kernel's headers have another name for O_ASYNC.
  expectInC(context, { ...named, FASYNC: O_ASYNC, ...resourceNumbers, ...filterConstants });
  expect(HIGHEST_DESCRIPTOR).toBe(2 ** 32 - 1);
  const splice = { SPLICE_F_MOVE, SPLICE_F_NONBLOCK };
  expect(evaluateInC(Object.keys(splice), ["stdio.h", "fcntl.h"])).toEqual(splice);
  const infoCall = "_IOWR(0xff, 11, char[64]) & 0xffffffff";
  expect([PIDFD_GET_INFO, PIDFD_INFO_EXIT]).toEqual([evaluateInC([infoCall])[infoCall], 8]);
});

it("flags of files are those of the architecture that Node was built for", () => {
  const flags = Object.entries(fileConstants).filter(([name]) => name in named);
  expect(flags.map(([name]) => name)).toContain("O_DIRECTORY");
  expect(named).toMatchObject(Object.fromEntries(flags));
});

describe("system calls have the numbers", () => {
  /** Calls that are newer than the headers of Debian 12 (Linux 6.1). */
  const newer = new Set([
    ..."uretprobe uprobe cachestat fchmodat2 map_shadow_stack futex_wake futex_wait futex_requeue".split(" "),
    ..."statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal".split(" "),
    ..."setxattrat getxattrat listxattrat removexattrat open_tree_attr file_getattr file_setattr".split(" "),
    ..."listns rseq_slice_yield".split(" "),
  ]);

  function expectNumbers(context: TestContext, found: ReadonlyMap<string, number>, of: Architecture): void {
    for (const [call, number] of found) {
      if (isSystemCallName(call)) expect([call, systemCallNumber(call, of)]).toEqual([call, number]);
    }
    const lacking = systemCallNames.filter(
      (call) => systemCallNumber(call, of) !== undefined && !found.has(call),
    );
    expect(lacking.filter((call) => !newer.has(call))).toEqual([]);
    if (lacking.length === 0) return;
    console.warn(`NOT TESTED: "${context.task.name}" for ${lacking.join(", ")}: older headers are installed`);
  }

  it("of this architecture's header, which has no further calls below the highest", (context) => {
    requireTools(context, "cc");
    const macros = execFileSync("cc", ["-dM", "-E", "-include", "sys/syscall.h", "-"], {
      input: "",
      encoding: "utf8",
    });
    const found = new Map([...macros.matchAll(/^#define __NR_(\w+) (\d+)$/gm)].map(entryOf));
    expectNumbers(context, found, process.arch === "arm64" ? "arm64" : "x64");
    const strange = [...found].filter(
      ([call, number]) => !isSystemCallName(call) && number <= highestSystemCall,
    );
    expect(strange).toEqual([]);
  });

  it("of the generic header, which are arm64's", (context) => {
    requireTools(context, "cc");
    const header = readFileSync("/usr/include/asm-generic/unistd.h", "utf8");
    const found = new Map([...header.matchAll(/^#define __NR(?:3264)?_(\w+)\s+(\d+)$/gm)].map(entryOf));
    found.set("newfstatat", found.get("fstatat") ?? 0);
    expectNumbers(context, found, "arm64");
  });

  function entryOf([, call = "", number]: RegExpMatchArray): [string, number] {
    return [call, Number(number)];
  }
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

it("every right of Landlock has the bit of its name's constant", (context) => {
  requireTools(context, "cc");
  const ours = [...rightsOfFamily("fs"), ...rightsOfFamily("net"), ...rightsOfFamily("scope")].map(
    (right) => [landlockConstant(right), maskOfRights([right], LATEST_ABI)],
  );
  expectInC(context, Object.fromEntries(ours));
});

it("every capability has the number of its name's constant", (context) => {
  requireTools(context, "cc");
  const ours = capabilityNames.map((name, number) => [`CAP_${name.toUpperCase()}`, number]);
  expectInC(context, Object.fromEntries(ours));
});
