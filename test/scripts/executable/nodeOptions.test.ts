/** With the executable's options, Node takes the code caches of its own modules. */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { nodeOptions } from "../../../scripts/executable/buildExecutable.ts";

/** How many of Node's own modules, of those that the program loads, had to be compiled. */
function compiledWith(options: readonly string[]): number {
  const script = `const { internalBinding } = require("internal/test/binding");
    for (const name of ["node:http2", "node:v8", "node:vm", "node:sea"]) require(name);
    process.stdout.write(String(internalBinding("builtins").getCacheUsage().compiledWithoutCache.size));`;
  const args = ["--no-warnings", "--expose-internals", ...options, "-e", script];
  return Number(execFileSync(process.execPath, args, { encoding: "utf8" }));
}

test("the executable's options leave Node its code caches", () => {
  expect(compiledWith(nodeOptions)).toBe(0);
});

test("other options of V8 do not", () => {
  expect(compiledWith([...nodeOptions, "--no-wasm-tier-up"])).toBeGreaterThan(50);
});
