/**
 * Counts the files of src/ that name a capability outside its own rooms: the places that a change of the capability may
 * have to touch. A name in a comment counts, too; generated files do not. With `--list` it prints the files as well.
 */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");

/** By what a file names the capability, and the files that are its own. */
const capabilities = {
  egress: { named: /egress/i, own: /egress/i },
  "disk limit": {
    named: /disk_?limit|limitedDisk|\b(?:Node|Run)Disk\b|diskFilled|projectQuota/i,
    own: /\/disk\b|disk[A-Z.]|limitedDisks|projectQuota/,
  },
  journald: { named: /journald|journalNamespace|journalSocket/i, own: /\/journald\.|effects\/logs\// },
  "own logger": { named: /\blogBounds|ownLog|startLogger|loggerStart/i, own: /effects\/logs\/|plan\/logger/ },
  "black box": { named: /black_?box/i, own: /black_?box/i },
  "delegated cgroups": { named: /cgroup_?delegate|delegatedCgroup|makeDelegated/i, own: /delegated/i },
  "host pid mode": { named: /pid_?mode|runCgroup/i, own: /runCgroup|namespaces\// },
} as const satisfies Readonly<Record<string, { readonly named: RegExp; readonly own: RegExp }>>;

const files = globSync("src/**/*.{ts,tsx}", { cwd: root })
  .filter((path) => !path.includes("/generated/"))
  .sort()
  .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));

for (const [name, { named, own }] of Object.entries(capabilities)) {
  const outside = files.filter(({ path, text }) => named.test(text) && !own.test(path));
  console.log(`${String(outside.length).padStart(3)}  ${name}`);
  if (process.argv.includes("--list")) for (const { path } of outside) console.log(`       ${path}`);
}
