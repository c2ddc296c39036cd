/**
 * The kept inputs of a target, in `test/fuzz/corpus/<target>.txt`, each a line of base64. Some of
 * them reached code that the seeds do not reach, and others once showed a defect.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TargetName } from "./targets.ts";
import { targets } from "./targets.ts";

export function corpusFile(name: TargetName): string {
  return join(import.meta.dirname, "corpus", `${name}.txt`);
}

/** The seeds of a target, then the kept inputs. */
export async function inputsOf(name: TargetName): Promise<Buffer[]> {
  const seeds = await targets[name].seeds();
  const kept = existsSync(corpusFile(name)) ? readFileSync(corpusFile(name), "utf8").split("\n") : [];
  return [
    ...seeds.map((seed) => Buffer.from(seed as string)),
    ...kept.filter((line) => line !== "" && !line.startsWith("#")).map((line) => Buffer.from(line, "base64")),
  ];
}
