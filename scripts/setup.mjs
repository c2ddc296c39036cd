// Prepares a fresh clone, with any version of Node. Installs the npm packages, including
// the pinned runtime, if they are missing or out of date. Options:
//
//   --debian   also installs the Debian packages and the collector that the tests use
//   --release  also installs the Debian packages that a release needs
//   --vm       also installs the Debian packages of the virtual machine
//   --build    also builds the program if it is older than a source
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** A collector of OpenTelemetry data, for tests. Only machines with x86-64 install its binary. */
const collector = join(root, "test/fixtures/collector");
const wanted = new Set(process.argv.slice(2));

/** Commands that the tests call, with the Debian packages that provide them. */
const debianPackages = {
  as: "binutils",
  "aarch64-linux-gnu-as": "binutils-aarch64-linux-gnu",
  "qemu-aarch64": "qemu-user",
  cc: "build-essential",
  ip: "iproute2",
  python3: "python3",
  getent: "libc-bin",
  promtool: "promtool",
  // Ordinary programs that run as tasks. Their packages start no services. The JDK takes some 300 MB.
  openssl: "openssl",
  curl: "curl",
  git: "git",
  php: "php-cli",
  "redis-check-rdb": "redis-tools",
  sqlite3: "sqlite3",
  javac: "default-jdk-headless",
  // For the tests of the completions and of the manual page.
  zsh: "zsh",
  fish: "fish",
  man: "man-db",
  // For the tests of the Debian package, which also install the package in a small Debian.
  "dpkg-deb": "dpkg",
  lintian: "lintian",
  debootstrap: "debootstrap",
  // The browser for tests of the inspector's page, and a program that runs as a task. Without a screen, it takes
  // half of the processor time of the package chromium. With its dependencies it takes some 300 MB.
  "chromium-headless-shell": "chromium-headless-shell",
};

/**
 * Programs whose packages start a service when they are installed. These packages are installed only if the
 * machine's policy forbids services, as in most containers. Other machines skip the tests of missing
 * programs.
 */
const servicePackages = { haproxy: "haproxy" };

/** Commands and files that a release for both architectures needs. */
const releasePackages = {
  "dpkg-deb": "dpkg",
  "qemu-aarch64": "qemu-user",
  "/usr/aarch64-linux-gnu/lib/libc.so.6": "libc6-arm64-cross",
  "/usr/aarch64-linux-gnu/lib/libstdc++.so.6": "libstdc++6-arm64-cross",
  "/usr/aarch64-linux-gnu/lib/libgcc_s.so.1": "libgcc-s1-arm64-cross",
};

/** Commands and files that the virtual machine and its suites need; a path may contain one `*`. */
const machinePackages = {
  "virtme-run": "virtme-ng",
  "qemu-system-x86_64": "qemu-system-x86",
  "/usr/libexec/virtiofsd": "virtiofsd",
  "/boot/vmlinuz-*-cloud-amd64": "linux-image-cloud-amd64",
  "mkfs.ext4": "e2fsprogs",
  unshare: "util-linux",
  busybox: "busybox-static",
  ip: "iproute2",
  perl: "perl-base",
};

if (wanted.has("--debian")) {
  installDebianPackages({ ...debianPackages, ...(startsServices() ? {} : servicePackages) });
  installPackages(collector);
}
if (wanted.has("--release")) installDebianPackages(releasePackages);
if (wanted.has("--vm")) installDebianPackages(machinePackages);
installPackages(root);
if (wanted.has("--build") && newestSource() > changedAt(join(root, "dist/plugin/nomad-driver-exec2"))) {
  run("npm", ["run", "--silent", "build"]);
}

/** Installs the npm packages in a folder's lock file. */
function installPackages(folder) {
  const locked = changedAt(join(folder, "package-lock.json"));
  if (locked <= changedAt(join(folder, "node_modules/.package-lock.json"))) return;
  run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", folder]);
}

function installDebianPackages(packages) {
  const missing = Object.entries(packages).filter(
    ([needed]) => !(isAbsolute(needed) ? exists(needed) : onPath(needed)),
  );
  if (missing.length === 0) return;
  const names = missing.map(([, name]) => name);
  if (!onPath("apt-get") || process.getuid?.() !== 0) {
    fail(`this machine lacks ${missing.map(([needed]) => needed).join(", ")}: install ${names.join(", ")}`);
  }
  run("apt-get", ["update", "-qq"]);
  run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...names]);
}

/** Whether packages may start services here. policy-rc.d exits with 101 if they may not: invoke-rc.d(8). */
function startsServices() {
  return spawnSync("/usr/sbin/policy-rc.d", ["haproxy", "start"]).status !== 101;
}

function onPath(command) {
  return (process.env.PATH ?? "").split(":").some((folder) => folder && existsSync(join(folder, command)));
}

function exists(path) {
  const [start, end = ""] = basename(path).split("*");
  const folder = dirname(path);
  if (!path.includes("*")) return existsSync(path);
  return (
    existsSync(folder) && readdirSync(folder).some((name) => name.startsWith(start) && name.endsWith(end))
  );
}

function run(command, args) {
  console.error(`[setup] ${command} ${args.join(" ")}`);
  // npm's output goes to standard error: standard output belongs to the command that follows.
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2] });
  if (error || status !== 0)
    fail(`${command} ${args.join(" ")} failed: ${error?.message ?? `exit code ${status}`}`);
}

function newestSource() {
  const files = ["src", "proto", "scripts"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((file) => join(root, folder, file)),
  );
  return Math.max(...[...files, join(root, "package.json")].map(changedAt));
}

function changedAt(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

function fail(message) {
  console.error(`[setup] ${message}`);
  process.exit(1);
}
