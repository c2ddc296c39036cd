/** The architectures for which an executable is built. */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Architecture } from "../../src/effects/kernel/systemCalls.ts";

const root = join(import.meta.dirname, "../..");

export interface Target {
  readonly arch: Architecture;
  /** The folder of packages, with the runtime and the native addon for the architecture. */
  readonly modules: string;
  /** The command that runs the architecture's programs here, such as qemu-user's. */
  readonly emulator: readonly string[];
}

/** Commands that run programs of another architecture: qemu-user with Debian's cross libraries. */
const emulators: Readonly<Record<Architecture, readonly string[]>> = {
  x64: ["qemu-x86_64", "-L", "/usr/x86_64-linux-gnu"],
  arm64: ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"],
};

/**
 * The target for an architecture. For an architecture other than this machine's, installs the packages from
 * the lock file.
 */
export function targetOf(arch: Architecture): Target {
  if (arch === process.arch) return { arch, modules: join(root, "node_modules"), emulator: [] };
  const folder = join(root, "node_modules/.cache/release", arch);
  const lock = join(root, "package-lock.json");
  const isCurrent =
    existsSync(join(folder, "node_modules")) && sameBytes(lock, join(folder, "package-lock.json"));
  if (!isCurrent) {
    mkdirSync(folder, { recursive: true });
    for (const name of ["package.json", "package-lock.json", ".npmrc"]) {
      copyFileSync(join(root, name), join(folder, name));
    }
    const options = [`--cpu=${arch}`, "--os=linux", "--libc=glibc", "--omit=dev", "--ignore-scripts"];
    execFileSync("npm", ["ci", ...options, "--no-audit", "--no-fund", "--loglevel=error"], {
      cwd: folder,
      stdio: ["ignore", 2, 2],
    });
  }
  return { arch, modules: join(folder, "node_modules"), emulator: emulators[arch] };
}

function sameBytes(path: string, other: string): boolean {
  return existsSync(other) && readFileSync(path).equals(readFileSync(other));
}
