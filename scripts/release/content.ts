/**
 * Makes the files of a release besides the executable: manual page, completions, documentation, examples,
 * licences.
 */
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import { version } from "../../src/base/version.ts";
import { createProgram } from "../../src/cli/cli.ts";
import { completionOf } from "../../src/cli/reference/completions.ts";
import { manPage } from "../../src/cli/reference/manPage.ts";
import { outlineOf } from "../../src/cli/reference/outline.ts";
import { stateEntryPattern } from "../../src/store/folder/stateEntries.ts";

const root = join(import.meta.dirname, "../..");

/** Development packages that are nevertheless in the executable, as part of the inspector's pages. */
export const packagesOfThePage = [
  "@statelyai/inspect",
  "copy-anything",
  "fast-safe-stringify",
  "is-what",
  "isomorphic-ws",
  "partysocket",
  "preact",
  "safe-stable-stringify",
  "superjson",
];

/** Files by their paths in the release. */
export type Content = ReadonlyMap<string, string | Buffer>;

/** @param date date of the release, in seconds since the epoch */
export function documentation(date: number): {
  readonly man: string;
  readonly completions: Record<"bash" | "zsh" | "fish", string>;
} {
  const program = createProgram(() => {});
  const day = new Date(date * 1000).toISOString().slice(0, 10);
  return {
    man: manPage(outlineOf(program), { version, date: day }),
    completions: {
      bash: completionOf(program, "bash"),
      zsh: completionOf(program, "zsh"),
      fish: completionOf(program, "fish"),
    },
  };
}

/**
 * The licences of everything in the executable: the program's own licence, the runtime's licence, which
 * includes the licences of its parts, and the packages' licences.
 * @param modules the folder of packages
 */
export function licences(modules: string, runtime: string): string {
  const packages = Object.entries(lockedPackages())
    .filter(([path, { dev }]) => path.startsWith("node_modules/") && dev !== true)
    .map(([path]) => path.slice("node_modules/".length))
    .filter((name) => !name.startsWith("node-linux-"));
  const texts = [...packages, ...packagesOfThePage]
    .sort()
    .flatMap((name) => licenceOf(name, join(modules, name)));
  const node = readFileSync(join(modules, runtime, "LICENSE"), "utf8");
  return [
    ownLicence(),
    "The program contains the following software.\n",
    section(`Node.js (${runtime})`, node),
    ...texts,
  ].join("\n");
}

/** The project's licence, with its copyright notice. */
export function ownLicence(): string {
  return readFileSync(join(root, "LICENSE"), "utf8");
}

interface LockedPackage {
  readonly version: string;
  readonly dev?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
}

/** The packages in the lock file, by their folders. */
export function lockedPackages(): Readonly<Record<string, LockedPackage>> {
  return JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
}

/** The licence of a package; empty if it is not installed, like the packages for other architectures. */
function licenceOf(name: string, folder: string): string[] {
  const installed = [folder, join(root, "node_modules", name)].find((path) => contains(path, "package.json"));
  if (installed === undefined) return [];
  const manifest: { version: string; license?: string } = JSON.parse(
    readFileSync(join(installed, "package.json"), "utf8"),
  );
  const file = readdirSync(installed).find((entry) => /^licen[cs]e/i.test(entry));
  const own = file === undefined ? [] : [join(installed, file)];
  const further = termsElsewhere.filter(([packages]) => packages.test(name)).flatMap(([, files]) => files);
  const files = [...own, ...further.map((each) => join(installed.slice(0, -name.length), each))];
  const text = files.map((each) => termsIn(readFileSync(each, "utf8"))).join("\n\n");
  return [section(`${name} ${manifest.version}: ${manifest.license ?? "see below"}`, text)];
}

/** Further files with licence terms, for packages whose own licence file is missing or incomplete. */
const termsElsewhere: readonly (readonly [packages: RegExp, files: readonly string[]])[] = [
  [/^@bufbuild\/protobuf$/, ["@grpc/grpc-js/LICENSE", "@bufbuild/protobuf/dist/esm/wire/varint.js"]],
  [/^@koromix\/koffi-linux-/, ["koffi/LICENSE.txt", "koffi/vendor/node-addon-api/LICENSE.md"]],
  [/^@lmdb\/lmdb-linux-/, ["lmdb/LICENSE"]],
  [/^(@lmdb\/lmdb-linux-|lmdb$)/, ["lmdb/dependencies/lmdb/libraries/liblmdb/LICENSE"]],
  [/^(@msgpackr-extract\/|weak-lru-cache$)/, ["msgpackr-extract/LICENSE"]],
];

/** The text of a licence file, or the head of a source file. */
function termsIn(text: string): string {
  const [head = ""] = /^(?:\/\/.*\n)+/.exec(text) ?? [];
  return head === "" ? text : head.replaceAll(/^\/\/ ?/gm, "");
}

function contains(folder: string, name: string): boolean {
  try {
    return readdirSync(folder).includes(name);
  } catch {
    return false;
  }
}

function section(title: string, text: string): string {
  return `${"=".repeat(78)}\n${title}\n${"=".repeat(78)}\n\n${text.trim()}\n`;
}

/**
 * Writes files below a folder, with the same modes on every machine.
 * @param executables paths of executable files
 */
export function writeContent(folder: string, content: Content, executables: readonly string[] = []): void {
  for (const [path, bytes] of content) {
    const target = join(folder, path);
    mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
    writeFileSync(target, bytes);
    chmodSync(target, executables.includes(path) ? 0o755 : 0o644);
  }
}

export function gzipped(text: string): Buffer {
  return gzipSync(text, { level: 9 });
}

export function packagingFile(name: string): string {
  return readFileSync(join(root, "packaging", name), "utf8").replace(
    "@STATE_ENTRIES@",
    () => stateEntryPattern,
  );
}

/**
 * What sets a client up: its configuration, the settings of its unit, a profile for AppArmor, and a role for Ansible, which finds the others
 * beside its folder.
 */
export function setupFiles(): Content {
  const paths = filesIn("packaging/ansible").map((path) => relative("packaging", path));
  return new Map(
    ["agent.hcl", "exec2.apparmor", "exec2.conf", ...paths].map((path) => [path, packagingFile(path)]),
  );
}

/**
 * The documentation for operators and the examples, by their paths in the checkout. Links to files that a
 * release does not have, such as tests, are their text alone.
 */
export function pages(): Content {
  const paths = ["README.md", "CHANGELOG.md", ...filesIn("docs"), ...filesIn("examples")].filter(
    (path) => !forContributors.test(path),
  );
  const present = new Set(paths);
  return new Map(
    paths.map((path) => {
      const bytes = readFileSync(join(root, path));
      return [path, path.endsWith(".md") ? withLinksTo(present, path, bytes.toString()) : bytes];
    }),
  );
}

/** Pages about the project itself. */
const forContributors = /^docs\/(contributing\/|compared\.md$|performance\.md$)/;

function filesIn(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

/** @param path of the page whose text this is */
function withLinksTo(present: ReadonlySet<string>, path: string, text: string): string {
  return text.replaceAll(
    /(?<!!)\[([^\][]+)\]\(([^)#\s]+)(#[^)\s]*)?\)/g,
    (link, label: string, target: string) => {
      const isThere = target.includes("://") || present.has(join(dirname(path), target));
      return isThere ? link : label;
    },
  );
}
