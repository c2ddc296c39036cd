/** The C and C++ libraries that the executable needs: the pages and the package name them. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../../..");
const read = (path: string) => readFileSync(join(root, path), "utf8");
const loader = { x64: "x86-64", arm64: "aarch64" }[process.arch as "x64" | "arm64"];

/** What becomes a part of the executable, or is loaded by it (scripts/executable). */
const files = [
  `node_modules/node-linux-${process.arch}/bin/node`,
  ...globSync(`node_modules/@koromix/koffi-linux-*/linux_${process.arch}/koffi.node`, { cwd: root }),
  ...globSync(`node_modules/@lmdb/lmdb-linux-${process.arch}/node.napi.glibc.node`, { cwd: root }),
];

/** The highest version of a library's symbols that a file asks for, such as 34 of GLIBC_2.34. */
function highest(file: Buffer, prefix: string): number {
  const versions = file.toString("latin1").matchAll(new RegExp(`(?<=\\0)${prefix}(\\d+)(?=\\0)`, "g"));
  return Math.max(0, ...Array.from(versions, ([, minor]) => Number(minor)));
}

test("the newest symbols of the C libraries are those of the versions that are named", () => {
  expect(files).toHaveLength(3);
  const binaries = files.map((path) => readFileSync(join(root, path)));
  expect(Math.max(...binaries.map((file) => highest(file, "GLIBC_2\\.")))).toBe(34);
  // GCC 11's libstdc++: https://gcc.gnu.org/onlinedocs/libstdc++/manual/abi.html
  expect(Math.max(...binaries.map((file) => highest(file, "GLIBCXX_3\\.4\\.")))).toBe(29);
  for (const page of ["README.md", "docs/install.md", "CHANGELOG.md"])
    expect(read(page)).toContain("glibc 2.34");
  expect(read("scripts/release/packages.ts")).toContain(
    "libc6 (>= 2.34), libgcc-s1 (>= 3.3), libstdc++6 (>= 11)",
  );
});

test("the runtime asks for glibc's loader, which musl does not have", () => {
  const [node = ""] = files;
  const head = readFileSync(join(root, node)).subarray(0, 4096).toString("latin1");
  expect(head).toMatch(new RegExp(`\\0/lib(?:64)?/ld-linux-${loader}\\.so\\.\\d\\0`));
  expect(read("docs/install.md")).toContain("musl");
});
