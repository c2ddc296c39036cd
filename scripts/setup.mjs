// Prepares a fresh clone, with any version of Node. Installs the npm packages, including
// the pinned runtime, if they are missing or out of date. Options:
//
//   --debian   also installs the Debian packages and the collector that the tests use
//   --release  also installs the Debian packages that a release needs
//   --vm       also installs the Debian packages of the virtual machine
//   --arm64    also installs the Debian packages of the arm64 machine
//   --proto    also installs what makes the protobuf bindings
//   --fuzz     also installs the fuzzer
//   --build    also builds the program if it is older than a source
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { missingFrom, onPath, releasePackages } from "./hostPackages.mjs";

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
  "mkfs.xfs": "xfsprogs",
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

/** Commands and files that the virtual machine and its suites need; a path may contain one `*`. */
const machinePackages = {
  "virtme-run": "virtme-ng",
  "qemu-system-x86_64": "qemu-system-x86",
  "/usr/libexec/virtiofsd": "virtiofsd",
  "/boot/vmlinuz-*-cloud-amd64": "linux-image-cloud-amd64",
  "mkfs.ext4": "e2fsprogs",
  "mkfs.xfs": "xfsprogs",
  unshare: "util-linux",
  busybox: "busybox-static",
  depmod: "kmod",
  dmsetup: "dmsetup",
  ip: "iproute2",
  mdadm: "mdadm",
  perl: "perl-base",
  nft: "nftables",
};

/** Commands that make and emulate the arm64 machine. */
const arm64Packages = {
  "qemu-system-aarch64": "qemu-system-arm",
  mmdebstrap: "mmdebstrap",
  cpio: "cpio",
  "mkfs.ext4": "e2fsprogs",
  unshare: "util-linux",
};

if (wanted.has("--debian")) {
  installDebianPackages({ ...debianPackages, ...(startsServices() ? {} : servicePackages) });
  await installPackages(collector);
}
if (wanted.has("--release")) installDebianPackages(releasePackages(["x64", "arm64"]));
if (wanted.has("--vm")) installDebianPackages(machinePackages);
if (wanted.has("--arm64")) installDebianPackages(arm64Packages);
await installPackages(root);
linkRuntime();
for (const tool of ["proto", "fuzz"]) {
  if (wanted.has(`--${tool}`)) await installPackages(join(root, "tools", tool));
}
if (wanted.has("--build") && newestSource() > changedAt(join(root, "dist/plugin/nomad-driver-exec2"))) {
  run("npm", ["run", "--silent", "build"]);
}

/** Installs the npm packages in a folder's lock file, and shows how far it is. */
async function installPackages(folder) {
  const lock = join(folder, "package-lock.json");
  if (changedAt(lock) <= changedAt(join(folder, "node_modules/.package-lock.json"))) return;
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress", "--loglevel=error"];
  console.error(`[setup] npm ${args.join(" ")} --prefix ${folder}`);
  const npm = spawn("npm", [...args, "--prefix", folder], { cwd: root, stdio: ["ignore", 2, 2] });
  const stop = showProgress(folder, packagesOf(lock));
  const [status] = await once(npm, "exit").catch(({ message }) => fail(`npm ci failed: ${message}`));
  stop();
  if (status !== 0) fail(`npm ci failed: exit code ${status}`);
  // The runtime's headers, for addons that are compiled. Nothing compiles one.
  rmSync(join(folder, `node_modules/node-linux-${process.arch}/include`), { recursive: true, force: true });
}

/**
 * Makes the pinned runtime the `node` of npm's scripts, which npm 9 does not. First installs the library that it needs
 * and that a minimal Debian lacks. As long as the runtime cannot start, there is no link to it, so that the machine's
 * own Node runs this script again.
 */
function linkRuntime() {
  const file = `node-linux-${process.arch}/bin/node`;
  const runtime = join(root, "node_modules", file);
  const link = join(root, "node_modules/.bin/node");
  if (existsSync(link) && process.execPath === realpathSync(runtime)) return;
  let trouble = troubleOf(runtime);
  if (trouble?.includes("libatomic.so.1")) {
    rmSync(link, { force: true });
    installDebianPackages({ "libatomic.so.1": "libatomic1" });
    trouble = troubleOf(runtime);
  }
  if (trouble !== undefined) {
    rmSync(link, { force: true });
    fail(`the project's own Node does not start here: ${trouble}`);
  }
  if (existsSync(link)) return;
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(`../${file}`, link);
}

/** @returns why a program does not start, or undefined if it does */
function troubleOf(program) {
  const { status, error, stderr } = spawnSync(program, ["--version"], { encoding: "utf8" });
  return status === 0 ? undefined : (error?.message ?? (stderr.trim() || `exit code ${status}`));
}

/**
 * The folders of the packages in a lock file that npm installs on this machine. Optional packages for every
 * machine belong to a package for WebAssembly, which is not installed.
 */
function packagesOf(lock) {
  const { packages } = JSON.parse(readFileSync(lock, "utf8"));
  const fits = (allowed, own) => allowed === undefined || allowed.includes(own);
  return Object.entries(packages)
    .filter(([path, { optional, os, cpu, libc }]) => {
      if (path === "" || (optional && cpu === undefined)) return false;
      return fits(os, process.platform) && fits(cpu, process.arch) && fits(libc, "glibc");
    })
    .map(([path]) => path);
}

/**
 * Shows how many packages a folder has: in one line of a terminal, or as a few lines of a log.
 * @returns a function that ends the display
 */
function showProgress(folder, packages) {
  const terminal = process.stderr.isTTY;
  let told = 0;
  const timer = setInterval(
    () => {
      const done = packages.filter((path) => existsSync(join(folder, path, "package.json"))).length;
      if (done === told) return;
      told = done;
      process.stderr.write(
        `${terminal ? "\r" : ""}[setup] ${done} of ${packages.length} packages${terminal ? "" : "\n"}`,
      );
    },
    terminal ? 200 : 5_000,
  );
  return () => {
    clearInterval(timer);
    if (terminal && told > 0) process.stderr.write("\n");
  };
}

function installDebianPackages(packages) {
  const { needed, names } = missingFrom(packages);
  if (names.length === 0) return;
  if (!onPath("apt-get") || process.getuid?.() !== 0) {
    fail(`this machine lacks ${needed.join(", ")}. On Debian, as root: apt-get install ${names.join(" ")}`);
  }
  run("apt-get", ["update", "-qq"]);
  run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...names]);
}

/** Whether packages may start services here. policy-rc.d exits with 101 if they may not: invoke-rc.d(8). */
function startsServices() {
  return spawnSync("/usr/sbin/policy-rc.d", ["haproxy", "start"]).status !== 101;
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
