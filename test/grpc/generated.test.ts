import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { folderOfFile } from "../support/host/temporaryFolder.ts";

const root = join(import.meta.dirname, "../..");
const anew = folderOfFile();

test("the committed bindings are those that are generated from proto/", () => {
  execFileSync(process.execPath, [join(root, "scripts/generateProto.ts"), anew]);
  const committed = join(root, "src/grpc/generated");
  expect(filesOf(anew)).toEqual(filesOf(committed));
  for (const file of filesOf(anew)) {
    expect(readFileSync(join(committed, file), "utf8"), file).toBe(readFileSync(join(anew, file), "utf8"));
  }
});

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length))
    .sort();
}
