/**
 * Kernels of Debian's releases for the virtual machine, from the registry that this machine's apt uses. They are
 * unpacked, not installed, into node_modules/.cache/kernels.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A series of kernels, with the suites of Debian that have it. */
export interface KernelSeries {
  /** The beginning of its releases, such as `6.1`; `newest` for the newest release in the suites. */
  readonly series: string;
  readonly suites: readonly string[];
  /** The driver starts no task without it. */
  readonly hasLandlock: boolean;
}

/** From the oldest to the newest. */
export const kernelSeries: readonly KernelSeries[] = [
  { series: "5.10", suites: ["bullseye", "bullseye-security"], hasLandlock: false },
  { series: "6.1", suites: ["bookworm", "bookworm-security"], hasLandlock: true },
  { series: "6.12", suites: ["trixie", "trixie-security"], hasLandlock: true },
  { series: "6.18", suites: ["trixie-backports"], hasLandlock: true },
  { series: "newest", suites: ["trixie-backports"], hasLandlock: true },
];

/**
 * Fetches the newest kernel of a series, unless it is there already.
 * @param root the checkout
 * @returns the path of its image, beside whose folder are its modules
 * @throws Error if this machine's apt has no Debian sources, or they have no such kernel
 */
export function fetchKernel(root: string, { series, suites }: KernelSeries): string {
  const cache = join(root, "node_modules/.cache/kernels");
  const apt = aptFor(join(cache, "apt", series), suites);
  const names = apt("apt-cache", "pkgnames", "linux-").split("\n");
  const release = newestRelease(names, series);
  if (release === undefined) throw new Error(`${suites.join(" and ")} have no kernel ${series}`);
  const folder = join(cache, release);
  const image = join(folder, "boot", `vmlinuz-${release}`);
  // Made last.
  const modules = join(folder, "lib/modules");
  if (existsSync(image) && existsSync(modules)) return image;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  // Newer kernels are in three packages.
  const parts = ["image", "binary", "modules"].map((part) => `linux-${part}-${release}`);
  apt("apt-get", "download", "-qq", ...parts.filter((name) => names.includes(name)));
  for (const name of readdirSync(apt.folder).filter((each) => each.endsWith(".deb"))) {
    execFileSync("dpkg-deb", ["-x", join(apt.folder, name), folder]);
    rmSync(join(apt.folder, name));
  }
  if (!existsSync(modules)) {
    mkdirSync(join(folder, "lib"), { recursive: true });
    symlinkSync("../usr/lib/modules", modules);
  }
  if (!existsSync(image)) {
    mkdirSync(join(folder, "boot"), { recursive: true });
    symlinkSync(`../usr/lib/modules/${release}/vmlinuz`, image);
  }
  return image;
}

/** The newest release of a series that has a package for virtual machines. */
function newestRelease(packages: readonly string[], series: string): string | undefined {
  const releases = packages.flatMap((name) => /^linux-image-(\d.*-cloud-amd64)$/.exec(name)?.[1] ?? []);
  const wanted = releases.filter((each) => series === "newest" || each.startsWith(`${series}.`));
  return wanted.sort((a, b) => a.localeCompare(b, undefined, { numeric: true })).at(-1);
}

/**
 * apt with a configuration of its own, which knows only these suites.
 * @param folder for its lists and downloads
 * @returns a function that runs one of apt's commands and returns its output
 */
function aptFor(folder: string, suites: readonly string[]) {
  mkdirSync(join(folder, "lists/partial"), { recursive: true });
  mkdirSync(join(folder, "cache/archives/partial"), { recursive: true });
  const sources = join(folder, "sources.list");
  writeFileSync(sources, suites.map((suite) => `${sourceOf(suite)}\n`).join(""));
  const options = Object.entries({
    "Dir::Etc::sourcelist": sources,
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::State::lists": join(folder, "lists"),
    "Dir::Cache": join(folder, "cache"),
    "Acquire::Languages": "none",
    "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
    "APT::Sandbox::User": "root",
  }).map(([name, value]) => `-o${name}=${value}`);
  const apt = (command: string, ...args: string[]) =>
    execFileSync(command, [...options, ...args], {
      cwd: folder,
      encoding: "utf8",
      stdio: ["ignore", "pipe", 2],
      maxBuffer: 2 ** 26,
    });
  apt("apt-get", "update", "-qq");
  return Object.assign(apt, { folder });
}

/** The line of sources.list(5) for a suite, at the place from which this machine gets Debian's own. */
function sourceOf(suite: string): string {
  const archive = suite.endsWith("-security") ? "debian-security" : "debian";
  const known = execFileSync("apt-get", ["indextargets", "--format", "$(REPO_URI) $(SIGNED_BY)"], {
    encoding: "utf8",
  });
  for (const line of known.split("\n")) {
    const [place = "", key = ""] = line.split(" ");
    if (!place.endsWith(`/${archive}/`)) continue;
    return `deb [arch=amd64${key.startsWith("/") ? ` signed-by=${key}` : ""}] ${place} ${suite} main`;
  }
  throw new Error(`apt has no source of ${archive} here, so there is no place for the kernels of ${suite}`);
}
