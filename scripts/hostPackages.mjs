// What scripts and tests need on a machine, by the Debian packages that have it: the only list of it. Set-up
// installs from it, tests that are skipped name its packages, and docs/contributing/testing.md shows it.
import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, isAbsolute, join } from "node:path";

/**
 * Who needs something. `test`: `npm test`. `long`: `npm run test:long`, besides what `npm test` needs.
 * `vm`: the virtual machine, `arm64`: the arm64 machine, `fresh`: scripts/freshRoot.mjs. `found`: tests that
 * run only where it is installed already.
 */
export const groups = ["test", "long", "vm", "arm64", "fresh", "found"];

/**
 * Each row: the commands and files (a path may contain one `*`), the package, who needs them, what for.
 * `service` marks packages that start a service when they are installed. They are installed only where the machine's
 * policy forbids services, as in most containers; other machines skip the tests.
 */
export const needs = [
  { has: ["as", "objcopy", "nm"], from: "binutils", by: ["test"], to: "assemble the listings" },
  {
    has: ["aarch64-linux-gnu-as", "aarch64-linux-gnu-objcopy", "aarch64-linux-gnu-nm"],
    ...{ from: "binutils-aarch64-linux-gnu", by: ["test"], to: "assemble the listings for arm64" },
  },
  { has: ["cc", "gcc"], from: "gcc", by: ["test"], to: "compile C programs" },
  { has: ["/usr/include/stdio.h"], from: "libc6-dev", by: ["test"], to: "compile C programs" },
  { has: ["/usr/include/linux/landlock.h"], from: "linux-libc-dev", by: ["test"], to: "compare constants" },
  { has: ["ip"], from: "iproute2", by: ["test", "vm"], to: "make network namespaces" },
  { has: ["mkfs.xfs"], from: "xfsprogs", by: ["test", "vm"], to: "disks with quotas" },
  { has: ["mkfs.ext4"], from: "e2fsprogs", by: ["test", "vm", "arm64"], to: "disks with quotas" },
  { has: ["busybox"], from: "busybox-static", by: ["test", "vm"], to: "roots with one program" },
  { has: ["pgrep", "ps"], from: "procps", by: ["test"], to: "look for processes" },
  { has: ["python3"], from: "python3", by: ["test"], to: "a program as a task" },
  { has: ["perl"], from: "perl-base", by: ["test", "vm"], to: "a program as a task" },
  { has: ["getent", "ldd"], from: "libc-bin", by: ["test"], to: "look names up" },
  { has: ["openssl"], from: "openssl", by: ["test"], to: "certificates; a program as a task" },
  { has: ["curl"], from: "curl", by: ["test"], to: "a program as a task" },
  { has: ["promtool"], from: "promtool", by: ["test"], to: "check metrics and rules" },
  { has: ["man"], from: "man-db", by: ["test"], to: "the manual page" },
  { has: ["ssh-keygen"], from: "openssh-client", by: ["test"], to: "signatures" },
  { has: ["dpkg-deb"], from: "dpkg", by: ["test"], to: "the Debian package" },
  {
    has: ["/usr/lib/systemd/systemd-journald", "journalctl", "systemd-analyze"],
    ...{ from: "systemd", by: ["test"], to: "output in journald", service: true },
  },
  { has: ["haproxy"], from: "haproxy", by: ["test"], to: "a program as a task", service: true },
  { has: ["git"], from: "git", by: ["long"], to: "a program as a task" },
  { has: ["make"], from: "build-essential", by: ["long"], to: "a program as a task" },
  { has: ["php"], from: "php-cli", by: ["long"], to: "a program as a task" },
  { has: ["redis-check-rdb", "redis-cli"], from: "redis-tools", by: ["long"], to: "a program as a task" },
  { has: ["sqlite3"], from: "sqlite3", by: ["long"], to: "a program as a task" },
  // With its dependencies it takes some 300 MB.
  { has: ["javac", "java"], from: "default-jdk-headless", by: ["long"], to: "a program as a task" },
  // Without a screen, it takes half of the processor time of the package chromium, and with its dependencies some
  // 300 MB.
  {
    has: ["chromium-headless-shell"],
    ...{ from: "chromium-headless-shell", by: ["long"], to: "the inspector's page; a program as a task" },
  },
  { has: ["zsh"], from: "zsh", by: ["long"], to: "completions" },
  { has: ["fish"], from: "fish", by: ["long"], to: "completions" },
  { has: ["rpm", "rpmbuild"], from: "rpm", by: ["long"], to: "the package for RPM" },
  { has: ["rpmlint"], from: "rpmlint", by: ["long"], to: "the package for RPM" },
  { has: ["lintian"], from: "lintian", by: ["long"], to: "the Debian package" },
  { has: ["debootstrap"], from: "debootstrap", by: ["long"], to: "install the package in a small Debian" },
  // It takes some 460 MB.
  { has: ["qemu-aarch64"], from: "qemu-user", by: ["long"], to: "run programs for arm64" },
  { has: ["bc"], from: "bc", by: ["long"], to: "a program as a task" },
  { has: ["file"], from: "file", by: ["long"], to: "a program as a task" },
  { has: ["jq"], from: "jq", by: ["long"], to: "a program as a task" },
  { has: ["xz"], from: "xz-utils", by: ["long"], to: "a program as a task" },
  { has: ["zstd"], from: "zstd", by: ["long"], to: "a program as a task" },
  { has: ["fc-list"], from: "fontconfig", by: ["found"], to: "a program as a task" },
  { has: ["go"], from: "golang-go", by: ["found"], to: "a program as a task" },
  { has: ["ruby"], from: "ruby", by: ["found"], to: "a program as a task" },
  { has: ["strace"], from: "strace", by: ["found"], to: "a program as a task" },
  { has: ["nginx"], from: "nginx", by: ["found"], to: "a program as a task" },
  { has: ["initdb", "postgres", "psql"], from: "postgresql", by: ["found"], to: "a program as a task" },
  { has: ["virtme-run"], from: "virtme-ng", by: ["vm"], to: "boot the virtual machine" },
  { has: ["qemu-system-x86_64"], from: "qemu-system-x86", by: ["vm"], to: "emulate it" },
  { has: ["/usr/libexec/virtiofsd"], from: "virtiofsd", by: ["vm"], to: "its file systems" },
  { has: ["/boot/vmlinuz-*-cloud-amd64"], from: "linux-image-cloud-amd64", by: ["vm"], to: "its kernel" },
  { has: ["unshare", "dmesg"], from: "util-linux", by: ["vm", "arm64", "fresh"], to: "mount namespaces" },
  { has: ["depmod", "modprobe"], from: "kmod", by: ["vm"], to: "the kernel's modules" },
  { has: ["dmsetup"], from: "dmsetup", by: ["vm"], to: "failing disks" },
  { has: ["mdadm"], from: "mdadm", by: ["vm"], to: "disks of several disks" },
  { has: ["nft"], from: "nftables", by: ["vm"], to: "networks" },
  { has: ["qemu-system-aarch64"], from: "qemu-system-arm", by: ["arm64"], to: "emulate the machine" },
  { has: ["mmdebstrap"], from: "mmdebstrap", by: ["arm64", "fresh"], to: "make a Debian system" },
  { has: ["cpio"], from: "cpio", by: ["arm64"], to: "the machine's first file system" },
];

/** Commands of Debian's smallest system (packages that are essential, and Node's own), which no row has to name. */
export const everywhere = new Set(
  (
    "bash cat chmod chown cp dd df dpkg echo env false find findmnt flock grep gzip head hostname id ionice kill " +
    "ldconfig ln ls mkdir mkfifo mknod mkswap mount mv node npm npx nsenter printf rm script sed seq setpriv setsid " +
    "sh sha256sum sleep sort stat stty swapoff swapon sync tail tar tee test timeout touch tput tr true umount " +
    "uname unshare wc xargs"
  ).split(" "),
);

/**
 * @param services whether packages may start services here
 * @returns packages by the commands and files that a group needs
 */
export function packagesFor(group, { services }) {
  const rows = needs.filter(({ by, service }) => by.includes(group) && !(service && services));
  return Object.fromEntries(rows.flatMap(({ has, from }) => has.map((each) => [each, from])));
}

/** @returns the Debian package that has a command or file, or undefined if the table lacks it */
export function packageOf(needed) {
  return needs.find(({ has }) => has.includes(needed))?.from;
}

/**
 * What a release needs: for its files, and for starting an executable of another architecture.
 * @param architectures in Node's names
 * @param rpm whether it has a package for RPM
 * @returns packages by commands and files
 */
export function releasePackages(architectures, { rpm = true } = {}) {
  const others = architectures.filter((each) => each !== process.arch);
  return Object.assign(
    { "dpkg-deb": "dpkg", ...(rpm && { rpmbuild: "rpm" }) },
    ...others.map((each) => emulation[each]),
  );
}

const emulation = {
  arm64: {
    "qemu-aarch64": "qemu-user",
    "/usr/aarch64-linux-gnu/lib/libc.so.6": "libc6-arm64-cross",
    "/usr/aarch64-linux-gnu/lib/libstdc++.so.6": "libstdc++6-arm64-cross",
    "/usr/aarch64-linux-gnu/lib/libgcc_s.so.1": "libgcc-s1-arm64-cross",
  },
  x64: {
    "qemu-x86_64": "qemu-user",
    "/usr/x86_64-linux-gnu/lib/libc.so.6": "libc6-amd64-cross",
    "/usr/x86_64-linux-gnu/lib/libstdc++.so.6": "libstdc++6-amd64-cross",
    "/usr/x86_64-linux-gnu/lib/libgcc_s.so.1": "libgcc-s1-amd64-cross",
  },
};

/**
 * @param packages by the commands and files that are needed; a path may contain one `*`
 * @returns what is missing, and the packages that have it
 */
export function missingFrom(packages) {
  const missing = Object.entries(packages).filter(
    ([needed]) => !(isAbsolute(needed) ? exists(needed) : onPath(needed)),
  );
  return {
    needed: missing.map(([needed]) => needed),
    names: [...new Set(missing.map(([, name]) => name))],
  };
}

export function onPath(command) {
  return (process.env.PATH ?? "").split(":").some((folder) => folder && existsSync(join(folder, command)));
}

function exists(path) {
  const [start = "", end = ""] = basename(path).split("*");
  const folder = dirname(path);
  if (!path.includes("*")) return existsSync(path);
  return (
    existsSync(folder) && readdirSync(folder).some((name) => name.startsWith(start) && name.endsWith(end))
  );
}
