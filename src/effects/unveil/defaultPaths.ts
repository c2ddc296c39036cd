/**
 * The paths that `unveil_defaults` opens to every task, if they exist when the
 * task starts. They are enough for ordinary programs to start, and reveal nothing
 * about other users or tasks. Pure.
 */
import { parseUnveil, type UnveilEntry } from "./unveil.ts";

export const defaultPaths = {
  programs: ["rx:/bin", "rx:/usr/bin", "rx:/usr/local/bin"],
  sharedObjects: [
    "rx:/lib",
    "rx:/lib64",
    "rx:/usr/lib",
    "rx:/usr/lib64",
    "rx:/usr/libexec",
    "rx:/usr/local/lib",
    "rx:/usr/local/lib64",
    "r:/etc/ld.so.conf",
    "r:/etc/ld.so.cache",
    "r:/etc/ld.so.conf.d",
  ],
  common: [
    // This is always the task's own folder, which is bind-mounted over the host's /tmp: see unveilRules.ts.
    "rwc:/tmp",
    "rw:/dev/null",
    "rw:/dev/full",
    "rw:/dev/stdin",
    "rw:/dev/stdout",
    "rw:/dev/stderr",
    "w:/dev/log",
    "r:/dev/zero",
    "r:/dev/fd",
    "r:/dev/urandom",
    "r:/usr/share/locale",
    "r:/usr/share/zoneinfo",
    "r:/usr/share/common-licenses",
    "r:/proc/self/cmdline",
    "r:/proc/sys/kernel/ngroups_max",
    "r:/proc/sys/kernel/cap_last_cap",
    "r:/proc/sys/vm/overcommit_memory",
  ],
  dns: [
    "r:/etc/hosts",
    "r:/etc/hostname",
    // HashiCorp's published list has this path for /etc/hostname.
    "r:/hostname",
    "r:/etc/services",
    "r:/etc/protocols",
    "r:/etc/resolv.conf",
  ],
  certificates: [
    "r:/etc/ssl/certs",
    "r:/etc/ssl/cert.pem",
    "r:/etc/ssl/ca-bundle.pem",
    "r:/etc/pki/tls/certs",
    "r:/etc/pki/tls/cacert.pem",
    "r:/etc/pki/ca-trust-extracted/pem/tls-ca-bundle.pem",
    "r:/sys/etc/security/cacerts",
  ],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export const defaultEntries: readonly UnveilEntry[] = Object.values(defaultPaths)
  .flat()
  .map((entry) => parseUnveil(entry, "default"));

/**
 * Further device files for a task with a private root. /dev/tty leads to the terminal of the process that
 * opens it.
 */
export const ownRootPaths: readonly UnveilEntry[] = ["r:/dev/random", "rw:/dev/tty"].map((entry) =>
  parseUnveil(entry, "default"),
);

/**
 * Folders of a task's own shared memory and terminals in its private root. No other task sees them. Tasks
 * without a private root use the host's folders.
 */
export const ownRootFolders: readonly UnveilEntry[] = ["rwc:/dev/shm", "rw:/dev/pts"].map((entry) =>
  parseUnveil(entry, "default"),
);

/** Where a task sees its own cgroup, or its subtree of cgroups. */
export const CGROUP = "/sys/fs/cgroup";

/**
 * What programs read to size themselves by their limits, in a private root: the JVM, .NET, Go and Node find their
 * cgroup by these files of /proc. The JVM up to 23 wants /proc/cgroups, too.
 */
export const ownCgroupPaths: readonly UnveilEntry[] = [
  "r:/proc/self/cgroup",
  "r:/proc/self/mountinfo",
  "r:/proc/cgroups",
].map((entry) => parseUnveil(entry, "default"));

/** The folder of a task's own cgroup in its private root. */
export const ownCgroupFolder: UnveilEntry = parseUnveil(`r:${CGROUP}`, "default");

/** The default paths of a private root. @param ownCgroup whether the task sees its own cgroup in it */
export function privateRootPaths(ownCgroup: boolean): readonly UnveilEntry[] {
  return [
    ...defaultEntries,
    ...ownRootPaths,
    ...ownRootFolders,
    ...(ownCgroup ? [...ownCgroupPaths, ownCgroupFolder] : []),
  ];
}

/** The entries that `identity_files` adds. */
export const identityPaths: readonly UnveilEntry[] = ["r:/etc/passwd", "r:/etc/group"].map((entry) =>
  parseUnveil(entry, "default"),
);

/**
 * Folders of symlinks that lead from one program of the default paths to another. Following a symlink needs
 * no right, but the symlink has to be in the task's root.
 */
export const linkFolders: readonly string[] = ["/etc/alternatives"];
