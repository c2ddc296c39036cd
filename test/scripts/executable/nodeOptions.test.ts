/** With the executable's options, Node accepts the code caches of its own modules. */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { nodeOptions } from "../../../scripts/executable/buildExecutable.ts";

/** The number of Node's own modules that the program loads and that Node had to compile. */
function compiledWith(options: readonly string[]): number {
  const script = `const { internalBinding } = require("internal/test/binding");
    for (const name of ["node:http2", "node:v8", "node:vm", "node:sea"]) require(name);
    process.stdout.write(String(internalBinding("builtins").getCacheUsage().compiledWithoutCache.size));`;
  const args = ["--no-warnings", "--expose-internals", ...options, "-e", script];
  return Number(execFileSync(process.execPath, args, { encoding: "utf8" }));
}

test("Node uses its code caches with the executable's options", () => {
  expect(compiledWith(nodeOptions)).toBe(0);
});

test("Node does not use its code caches with other options of V8", () => {
  expect(compiledWith([...nodeOptions, "--no-wasm-tier-up"])).toBeGreaterThan(50);
});
