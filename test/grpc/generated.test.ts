import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const anew = mkdtempSync(join(tmpdir(), "generated-"));
afterAll(() => rmSync(anew, { recursive: true }));

test("the committed bindings are what proto/ generates", () => {
  execFileSync(process.execPath, [join(root, "scripts/generateProto.ts"), anew]);
  const committed = join(root, "src/grpc/generated");
  expect(filesOf(anew)).toEqual(filesOf(committed));
  for (const file of filesOf(anew)) {
    expect(readFileSync(join(committed, file), "utf8"), file).toBe(readFileSync(join(anew, file), "utf8"));
  }
}, 60_000);

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length))
    .sort();
}
