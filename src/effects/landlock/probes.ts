/**
 * Accesses that programs try at their start and can do without. They are no denials that anybody has to
 * know: if one were reported, people would open /proc for nothing. The lists are what glibc, libselinux,
 * Node, Go, Java, Ruby, Python, PHP, Perl, Redis, memcached, Caddy and PostgreSQL were seen to try in a
 * sandbox, and still work. Pure.
 */

import type { Denial } from "../denial.ts";
import { isAtOrBelow } from "../paths/paths.ts";

/** Files in a process's folder of /proc, and who tries them. */
const ofProcess = [
  "attr/.*", // libselinux
  "cgroup", // Node, Java, Go: limits
  "comm", // pthread_setname_np(3), for other threads
  "coredump_filter", // Java
  "cpuset", // Caddy
  "fd", // Java and others, which close inherited descriptors
  "maps", // pthread_getattr_np(3), for the main thread: Node, Ruby, PHP; Go
  "mountinfo", // Java, Go: cgroups
  "mounts", // libselinux
  "net/if_inet6", // Java
  "smaps", // Redis
  "stat", // Redis, Java
];

/** Other files that describe the host. */
const ofHost = [
  "/etc/gai\\.conf", // getaddrinfo(3)
  "/etc/host\\.conf", // glibc's resolver
  "/etc/locale\\.alias", // setlocale(3)
  "/etc/machine-id", // Caddy
  "/etc/nsswitch\\.conf", // getpwuid(3), getaddrinfo(3), …
  "/proc/cgroups", // Java
  "/proc/cpuinfo", // Node, Java
  "/proc/filesystems", // libselinux
  "/proc/meminfo", // Node, Java
  "/proc/stat", // get_nprocs(3), Node, Java, Python
  "/proc/sys/net/core/somaxconn", // Redis, Go
  "/sys/devices/system/clocksource/clocksource0/current_clocksource", // Redis
  "/sys/devices/system/cpu/(?:online|possible|present)", // get_nprocs(3), Java, Python
  "/sys/devices/system/node", // libnuma
  "/sys/kernel/mm/transparent_hugepage/(?:enabled|hpage_pmd_size)", // Redis, Java, Go
];

const known = new RegExp(
  `^(?:/proc/(?:self|thread-self|\\d+)(?:/task/\\d+)?/(?:${ofProcess.join("|")})|${ofHost.join("|")})$`,
);

/** Probes look, and open a few files of /proc for writing, too. */
const tried: ReadonlySet<string> = new Set(["fs.read_file", "fs.read_dir", "fs.write_file"]);

/**
 * Whether a refusal by Landlock is a probe.
 * @param folders the task's own folders. Programs list the folders around them, as shells, `ls` and
 *   getcwd(3) do. No entry should open these, because other allocations are in them
 */
export function isPathProbe({ blockers, object }: Denial, folders: readonly string[]): boolean {
  if (object === null || !blockers.every((each) => tried.has(each))) return false;
  const lists = blockers.length === 1 && blockers[0] === "fs.read_dir";
  return known.test(object) || (lists && [...folders, "/"].some((own) => isAtOrBelow(own, object)));
}

/**
 * Whether a request of ioctl(2) is TCGETS or TIOCGWINSZ. isatty(3), which fopen(3) calls, makes these
 * requests on any file, and takes every error as "no".
 */
export function asksForTerminal(request: number): boolean {
  return request === 0x5401 || request === 0x5413;
}
