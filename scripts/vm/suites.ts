/** The suites of test/vm: bundles them for the virtual machine, and selects their cases. */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "rolldown";

/** The suites of one boot of the machine. */
export interface BootSuites {
  /** The boot's folder in test/vm, such as `firstBoot`. */
  readonly boot: string;
  /** Paths of bundled modules. */
  readonly suites: readonly string[];
  /** Names of the cases in them, in the order in which they run. */
  readonly cases: readonly string[];
}

/** The second boot finds the disk as the first one left it. */
const boots = ["firstBoot", "secondBoot"];

/**
 * @param root the checkout
 * @param target folder of the bundle
 * @returns the path of the program, and the boots in their order
 */
export async function bundleSuites(
  root: string,
  target: string,
): Promise<{ readonly guest: string; readonly boots: readonly BootSuites[] }> {
  const source = join(root, "test/vm");
  const suites = boots.flatMap((boot) =>
    suiteFiles(join(source, boot)).map((path) => ({
      boot,
      path,
      name: `${boot}.${basename(path, ".test.ts")}`,
    })),
  );
  await build({
    input: {
      guest: join(source, "support/guest.ts"),
      ...Object.fromEntries(suites.map(({ name, path }) => [name, path])),
    },
    platform: "node",
    external: ["koffi", "lmdb"],
    // The helpers of test/support import vitest. In the machine, the runner takes its place.
    resolve: { alias: { vitest: join(source, "support/runner.ts") } },
    output: { dir: target, format: "esm", chunkFileNames: "[name].js" },
    logLevel: "warn",
  });
  const guest = join(target, "guest.js");
  return {
    guest,
    boots: boots.map((boot) => {
      const modules = suites.filter((suite) => suite.boot === boot);
      const paths = modules.map(({ name }) => join(target, `${name}.js`));
      return { boot, suites: paths, cases: listCases(guest, paths) };
    }),
  };
}

function suiteFiles(folder: string): string[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(".test.ts"));
  return names.sort().map((name) => join(folder, name));
}

/** Lists the cases in advance, so that a case without a result is noticed. */
function listCases(guest: string, suites: readonly string[]): string[] {
  return JSON.parse(execFileSync(process.execPath, [guest, "list", ...suites], { encoding: "utf8" }));
}

/**
 * The cases whose names contain a text, in capital or small letters. Boots without such a case are omitted.
 * Cases of a later boot examine what the first boot's cases of the same group have left on the disk. So those
 * cases of the first boot are selected, too.
 */
export function selectCases(boots: readonly BootSuites[], text: string): BootSuites[] {
  const wanted = (name: string) => name.toLowerCase().includes(text.toLowerCase());
  const [first, ...later] = boots;
  const needed = new Set(later.flatMap(({ cases }) => cases.filter(wanted).map(groupOf)));
  return boots
    .map((boot) => ({
      ...boot,
      cases: boot.cases.filter((name) => wanted(name) || (boot === first && needed.has(groupOf(name)))),
    }))
    .filter(({ cases }) => cases.length > 0);
}

/** The cases of whole groups. Boots without such a case are omitted. */
export function selectGroups(boots: readonly BootSuites[], groups: readonly string[]): BootSuites[] {
  const wanted = (name: string) => groups.includes(groupOf(name));
  return boots
    .map((boot) => ({ ...boot, cases: boot.cases.filter(wanted) }))
    .filter(({ cases }) => cases.length > 0);
}

function groupOf(name: string): string {
  return name.split(" > ", 1).join();
}
