// Runs a command in a copy of this checkout on a machine that nobody prepared: a root of its own with Debian's minimal
// system, Node and npm, and nothing else. What the project's set-up forgets to install is missing there. Needs root.
//
//   node scripts/freshRoot.mjs [--release trixie] [--node 20] [--results FOLDER] COMMAND
//
// `--node` is the version of Node there, `--results` a folder of this machine that is at /results there. The minimal
// system is kept in node_modules/.cache, and copied for each run. Exit codes: the command's, or 125 if there can be no
// such machine here.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { missingFrom, onPath, packagesFor } from "./hostPackages.mjs";

const checkout = dirname(dirname(fileURLToPath(import.meta.url)));
/** Where the checkout is in the machine. */
const home = "/root/project";
const { values, positionals } = parseArgs({
  options: {
    release: { type: "string", default: "trixie" },
    node: { type: "string", default: "20" },
    results: { type: "string" },
  },
  allowPositionals: true,
});
const [command] = positionals;
if (command === undefined) fail("name a command");
if (process.getuid?.() !== 0) fail("it takes root");

/** Variables that lead to a registry or through a proxy. */
const passedOn =
  /^(?:npm_config_(?:registry|cafile|strict_ssl|(?:https_|no)?proxy)|(?:https?|no|all)_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|CI)$/i;
const variables = Object.fromEntries(Object.entries(process.env).filter(([name]) => passedOn.test(name)));

/** Enters the root in $1, and runs the command in $3 in the folder $2. */
const enter = `
set -e
mount --bind "$1" "$1"
cd "$1"
if [ -n "$4" ]; then mount --bind "$4" results; fi
for each in proc sys dev; do mount --rbind "/$each" "$each"; done
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
mkdir old
pivot_root . old
umount -l /old
rmdir /old
cd "$2"
unset OLDPWD
exec sh -c "$3"
`;

let root;
// Whatever the command has left mounted is gone with its mount namespace.
process.on("exit", () => root && spawnSync("rm", ["-rf", "--one-file-system", root]));
try {
  makeMachine();
} catch (thrown) {
  fail(thrown.message);
}
tell(`runs there: ${command}`);
process.exitCode = enterWith(command, 2_400_000).status ?? 1;

/** Runs a command in the machine, for a time in ms at the most. */
function enterWith(script, timeout) {
  const env = {
    ...variables,
    ...{ HOME: "/root", LANG: "C.UTF-8", TERM: "dumb", DEBIAN_FRONTEND: "noninteractive" },
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  };
  const entering = [
    "--mount",
    "--propagation",
    "private",
    "sh",
    "-c",
    enter,
    "sh",
    root,
    home,
    script,
    results(),
  ];
  return spawnSync("unshare", entering, {
    ...{ env, timeout, killSignal: "SIGKILL" },
    stdio: ["ignore", "inherit", "inherit"],
  });
}

function makeMachine() {
  const base = minimalSystem(values.release);
  const node = nodeFolder(values.node);
  tell(`a new machine: Debian ${values.release}, Node ${values.node}`);
  root = mkdtempSync("/var/tmp/exec2-fresh-");
  must("cp", ["-a", `${base}/.`, root]);
  chmodSync(root, 0o755);
  mkdirSync(join(root, "results"));
  installNode(node);
  handOnSettings();
  copyCheckout();
  // Whatever leads to the registries was handed on, or there is no such machine.
  const reach =
    "apt-get update -qq -o APT::Update::Error-Mode=any && npm view --silent typescript version > /dev/null";
  const { status } = enterWith(reach, 300_000);
  if (status !== 0) throw new Error("it does not reach Debian's or npm's registry");
}

/** The path of Debian's minimal system in the cache. */
function minimalSystem(release) {
  const folder = join(checkout, "node_modules/.cache/fresh", release);
  if (existsSync(join(folder, "etc/debian_version"))) return folder;
  const { names } = missingFrom(packagesFor("fresh", { services: true }));
  if (names.length > 0) {
    if (!onPath("apt-get")) fail(`this machine lacks ${names.join(", ")}`);
    must("apt-get", ["update", "-qq"]);
    must("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...names]);
  }
  tell(`mmdebstrap: Debian's minimal system, ${release}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  // mmdebstrap needs a place that every user can reach.
  const work = mkdtempSync("/var/tmp/exec2-minimal-");
  try {
    chmodSync(work, 0o755);
    const made = join(work, "root");
    const mirror = mirrorOf();
    const sources = [release, `${release}-updates`].map((suite) => `deb ${mirror} ${suite} main`);
    const lists = join(work, "sources.list");
    writeFileSync(lists, `${sources.join("\n")}\n`);
    must("mmdebstrap", ["--quiet", "--variant=minbase", "--include=ca-certificates", release, made, lists]);
    // As in most containers, packages must not start services.
    writeFileSync(join(made, "usr/sbin/policy-rc.d"), "#!/bin/sh\nexit 101\n", { mode: 0o755 });
    must("cp", ["-a", made, `${folder}.unfinished`]);
    renameSync(`${folder}.unfinished`, folder);
  } finally {
    spawnSync("rm", ["-rf", "--one-file-system", work]);
  }
  return folder;
}

/** The place from which this machine's apt gets Debian. */
function mirrorOf() {
  const folder = "/etc/apt/sources.list.d";
  const files = [
    "/etc/apt/sources.list",
    ...(existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []),
  ];
  const text = files.map((path) => (existsSync(path) ? readFileSync(path, "utf8") : "")).join("\n");
  return (
    /^(?:deb(?: \[[^\]]*\])?|URIs:) +(https?:\/\/\S*\/debian)\/?(?:\s|$)/m.exec(text)?.[1] ??
    "http://deb.debian.org/debian"
  );
}

/** The folder with a version of Node and an npm that runs on it, from npm's registry. */
function nodeFolder(version) {
  const folder = join(checkout, "node_modules/.cache/fresh", `node-${version}`);
  const modules = join(folder, "node_modules");
  if (existsSync(join(modules, "npm/package.json"))) return modules;
  tell(`npm: Node ${version}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), "{}\n");
  const packages = [`node-linux-${process.arch}@${version}`, "npm@10"];
  const flags = [
    "--no-save",
    "--no-package-lock",
    "--no-audit",
    "--no-fund",
    "--ignore-scripts",
    "--loglevel=error",
  ];
  must("npm", ["install", ...flags, ...packages], { cwd: folder });
  return modules;
}

function installNode(node) {
  const local = join(root, "usr/local");
  mkdirSync(join(local, "lib/node_modules"), { recursive: true });
  copyFileSync(join(node, `node-linux-${process.arch}/bin/node`), join(local, "bin/node"));
  cpSync(join(node, "npm"), join(local, "lib/node_modules/npm"), { recursive: true, verbatimSymlinks: true });
  for (const name of ["npm", "npx"])
    symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, join(local, `bin/${name}`));
}

/** How this machine reaches registries: resolver, proxies, certificates, settings of npm and apt. */
function handOnSettings() {
  for (const path of ["/etc/resolv.conf", "/etc/hosts"])
    if (existsSync(path)) writeFileSync(join(root, path), readFileSync(path));
  const npmrcs = [npmSetting("globalconfig"), npmSetting("userconfig"), join(homedir(), ".npmrc")];
  const settings = [...new Set(npmrcs)]
    .filter((path) => existsSync(path))
    .map((path) => readFileSync(path, "utf8"));
  writeFileSync(join(root, "root/.npmrc"), `${settings.join("\n")}\n`, { mode: 0o600 });
  const named = [npmSetting("cafile"), variables.NODE_EXTRA_CA_CERTS, variables.SSL_CERT_FILE];
  for (const path of named) if (path?.startsWith("/") && existsSync(path)) copyTo(path);
  const apt = spawnSync("apt-config", ["dump"], { encoding: "utf8" }).stdout ?? "";
  const acquire =
    apt.match(/^Acquire::(?:https?|ftp|Retries|Check-Valid-Until|Check-Date|AllowInsecure).*$/gim) ?? [];
  writeFileSync(join(root, "etc/apt/apt.conf.d/90host"), `${acquire.join("\n")}\n`);
  for (const [, path = ""] of acquire.join("\n").matchAll(/"(\/[^"]+)"/g)) if (existsSync(path)) copyTo(path);
  if (existsSync("/etc/apt/auth.conf.d"))
    cpSync("/etc/apt/auth.conf.d", join(root, "etc/apt/auth.conf.d"), { recursive: true });
}

function npmSetting(name) {
  const value = spawnSync("npm", ["config", "get", name], { cwd: "/", encoding: "utf8" }).stdout?.trim();
  return value === "null" || value === "undefined" ? "" : (value ?? "");
}

function copyTo(path) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  copyFileSync(realpathSync(path), join(root, path));
}

/** Everything but what is made in a checkout. */
function copyCheckout() {
  const made = /^(?:\.git|dist|coverage|test-results|(?:.*\/)?node_modules)$/;
  cpSync(checkout, join(root, home), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !made.test(relative(checkout, path)),
  });
}

function results() {
  if (values.results === undefined) return "";
  mkdirSync(values.results, { recursive: true });
  return realpathSync(values.results);
}

function must(program, args, options = {}) {
  const { status: code, error } = spawnSync(program, args, {
    stdio: ["ignore", 2, 2],
    timeout: 900_000,
    ...options,
  });
  if (error || code !== 0)
    throw new Error(`${program} ${args.join(" ")}: ${error?.message ?? `exit code ${code}`}`);
}

function tell(text) {
  console.error(`[fresh] ${text}`);
}

function fail(text) {
  tell(`no machine that nobody prepared can be made here: ${text}`);
  process.exit(125);
}
