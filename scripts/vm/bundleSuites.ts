/** Makes the program and the suites that run in the virtual machine, out of test/vm. */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "rolldown";

/** What one boot of the machine runs. */
export interface BootSuites {
  /** Folder of test/vm: `firstBoot`. */
  readonly boot: string;
  /** Paths of bundled modules. */
  readonly suites: readonly string[];
  /** Names of the cases in them, in their order. */
  readonly cases: readonly string[];
}

/** Boots in their order. What the first leaves on the machine's disk is there in the second. */
const boots = ["firstBoot", "secondBoot"];

/**
 * @param root the checkout
 * @param target folder of the bundle
 * @returns the boots, and the program's path
 */
export async function bundleSuites(
  root: string,
  target: string,
): Promise<{ readonly guest: string; readonly boots: readonly BootSuites[] }> {
  const source = join(root, "test/vm");
  const suiteFiles = boots.map((boot) =>
    readdirSync(join(source, boot))
      .filter((name) => name.endsWith(".test.ts"))
      .sort(),
  );
  const suiteInputs = boots.flatMap(
    (boot, index) =>
      suiteFiles[index]?.map((name) => [suiteName(boot, name), join(source, boot, name)]) ?? [],
  );
  await build({
    input: { guest: join(source, "support/guest.ts"), ...Object.fromEntries(suiteInputs) },
    platform: "node",
    external: ["koffi", "lmdb"],
    // The helpers of test/support are vitest's; there they are the runner's.
    resolve: { alias: { vitest: join(source, "support/runner.ts") } },
    output: { dir: target, format: "esm", chunkFileNames: "[name].js" },
    logLevel: "warn",
  });
  const guest = join(target, "guest.js");
  const modules = boots.map((boot, index) =>
    (suiteFiles[index] ?? []).map((name) => join(target, `${suiteName(boot, name)}.js`)),
  );
  return {
    guest,
    boots: boots.map((boot, index) => {
      const suites = modules[index] ?? [];
      return { boot, suites, cases: listCases(guest, suites) };
    }),
  };
}

function suiteName(boot: string, file: string): string {
  return `${boot}.${basename(file, ".test.ts")}`;
}

/** Asks the suites themselves: a case that does not come back from the machine is missed. */
function listCases(guest: string, suites: readonly string[]): string[] {
  return JSON.parse(execFileSync(process.execPath, [guest, "list", ...suites], { encoding: "utf8" }));
}
