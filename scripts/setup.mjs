// Prepares a fresh clone, with any version of Node. Installs the npm packages, including
// the pinned runtime, if they are missing or out of date. Options:
//
//   --debian   also installs the Debian packages and the collector that `npm test` uses
//   --long     also installs those of `npm run test:long`: among them a JDK and a browser
//   --release  also installs the Debian packages that a release needs
//   --vm       also installs the Debian packages of the virtual machine
//   --arm64    also installs the Debian packages of the arm64 machine
//   --proto    also installs what makes the protobuf bindings
//   --fuzz     also installs the fuzzer
//   --mutants  also installs what plants mutants
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
import { missingFrom, onPath, packagesFor, releasePackages } from "./hostPackages.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** A collector of OpenTelemetry data, for tests. Only machines with x86-64 install its binary. */
const collector = join(root, "test/fixtures/collector");
const wanted = new Set(process.argv.slice(2));

const flags = { "--debian": ["test"], "--long": ["test", "long"], "--vm": ["vm"], "--arm64": ["arm64"] };
const wantedGroups = Object.entries(flags).flatMap(([flag, groups]) => (wanted.has(flag) ? groups : []));
const services = wantedGroups.length > 0 && startsServices();
await installDebianPackages(
  Object.assign(
    wanted.has("--release") ? releasePackages(["x64", "arm64"]) : {},
    ...wantedGroups.map((group) => packagesFor(group, { services })),
  ),
);
if (wanted.has("--debian") || wanted.has("--long")) await installPackages(collector);
await installPackages(root);
await linkRuntime();
for (const tool of ["proto", "fuzz", "mutants"]) {
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
  const packages = packagesOf(lock);
  const stop = showProgress(() => {
    const done = packages.filter((path) => existsSync(join(folder, path, "package.json"))).length;
    return done === 0 ? undefined : `${done} of ${packages.length} packages`;
  });
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
async function linkRuntime() {
  const file = `node-linux-${process.arch}/bin/node`;
  const runtime = join(root, "node_modules", file);
  const link = join(root, "node_modules/.bin/node");
  if (existsSync(link) && process.execPath === realpathSync(runtime)) return;
  let trouble = troubleOf(runtime);
  if (trouble?.includes("libatomic.so.1")) {
    rmSync(link, { force: true });
    await installDebianPackages({ "libatomic.so.1": "libatomic1" });
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
 * Shows how far something is: in one line of a terminal, or as a few lines of a log.
 * @param state the text to show, or undefined as long as there is none
 * @returns a function that ends the display
 */
function showProgress(state) {
  const terminal = process.stderr.isTTY;
  let told;
  const timer = setInterval(
    () => {
      const text = state();
      if (text === told) return;
      told = text;
      process.stderr.write(`${terminal ? "\r" : ""}[setup] ${text}${terminal ? "" : "\n"}`);
    },
    terminal ? 200 : 5_000,
  );
  return () => {
    clearInterval(timer);
    if (terminal && told !== undefined) process.stderr.write("\n");
  };
}

/** Installs Debian packages, and tells before how much that is, and then how far it is. */
async function installDebianPackages(packages) {
  const { needed, names } = missingFrom(packages);
  if (names.length === 0) return;
  if (!onPath("apt-get") || process.getuid?.() !== 0) {
    fail(`this machine lacks ${needed.join(", ")}. On Debian, as root: apt-get install ${names.join(" ")}`);
  }
  run("apt-get", ["update", "-qq"]);
  const env = { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" };
  const { stdout: policy } = spawnSync("apt-cache", ["policy", ...names], { env, encoding: "utf8" });
  const candidates = [...policy.matchAll(/^(\S+):\n.*\n +Candidate: (?!\(none\))/gm)].map(([, name]) => name);
  const known = names.filter((name) => candidates.includes(name));
  if (known.length < names.length) {
    const unknown = names.filter((name) => !known.includes(name));
    console.error(`[setup] This Debian has no ${unknown.join(", ")}: what needs it is not tested`);
  }
  if (known.length === 0) return;
  const install = ["install", "--no-install-recommends", ...known];
  console.error(`[setup] apt-get ${install.join(" ")}`);
  const { stdout } = spawnSync("apt-get", ["--assume-no", ...install], { env, encoding: "utf8" });
  for (const line of stdout?.match(/^(?:Need to get|After this operation).*$/gm) ?? []) {
    console.error(`[setup] ${line}`);
  }
  const apt = spawn("apt-get", ["-y", "-qq", "-o", "APT::Status-Fd=3", ...install], {
    env,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [apt.stdout, apt.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      said += text;
    });
  }
  let status = "";
  apt.stdio[3].setEncoding("utf8").on("data", (text) => {
    status = (status + text).slice(-4_096);
  });
  const stop = showProgress(() => {
    const [, phase, percent] = [...status.matchAll(/^(dl|pm)status:[^:\n]*:([\d.]+):/gm)].at(-1) ?? [];
    if (percent === undefined) return undefined;
    return `Debian packages: ${phase === "dl" ? "downloaded" : "installed"} ${Math.floor(percent)} %`;
  });
  const [code] = await once(apt, "close").catch(({ message }) => [message]);
  stop();
  if (code !== 0) fail(`${said.trim()}\n[setup] apt-get ${install.join(" ")} failed: ${code}`);
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
