/** What Node does with the executable's options. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
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

test("with the executable's options, TLS trusts Node's root certificates once they are asked for", () => {
  const trusted = (isAsked: boolean) => {
    const module = join(import.meta.dirname, "../../../src/base/rootCertificates.ts");
    const script = `import { getCACertificates } from "node:tls";
      import { trustBundledRoots } from ${JSON.stringify(module)};
      if (${isAsked}) trustBundledRoots();
      const certificates = (type) => getCACertificates(type).map((each) => each.replace(/\\s/g, ""));
      const trusted = new Set(certificates("default"));
      process.stdout.write(String(certificates("bundled").every((each) => trusted.has(each))));`;
    const args = ["--no-warnings", ...nodeOptions, "--input-type=module", "-e", script];
    return execFileSync(process.execPath, args, { encoding: "utf8" });
  };
  expect(trusted(true)).toBe("true");
  expect(trusted(false)).toBe("false");
});
