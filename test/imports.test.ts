/** The structure of src/: its pure files, and the folders that each folder may import. */

import { describe, expect, it } from "vitest";
import { type Import, type ImportGraph, importsOf, readImports } from "./support/importGraph.ts";

const graph = readImports();

/** The modules outside of src/ that a pure file may import, as a whole or by name. They only compute. */
const computes: Readonly<Record<string, "whole" | readonly string[]>> = {
  "@bufbuild/protobuf/wire": "whole",
  "@cdktn/hcl2json": "whole",
  msgpackr: "whole",
  "node:crypto": ["createHash", "createHmac", "hash"],
  "node:os": ["constants"],
  "node:path": ["posix"],
  "node:util": ["isDeepStrictEqual", "stripVTControlCharacters"],
  "node:zlib": ["crc32"],
  xstate: "whole",
  zod: "whole",
};
const clock =
  /\b(?:Date\.now|Math\.random|performance\.now|process\.env|set(?:Timeout|Interval|Immediate))\b|new Date\(\)|\bfetch\(/;

/** A file is pure if its first comment says so. Wherever a file moves, this word moves with it. */
const saysPure = /^\/\*\*(?:(?!\*\/).)*\bPure[.:;,]/s;

describe("a pure file", () => {
  it("reaches no kernel, no clock and nothing to read or write", () => {
    const pure = [...graph].flatMap(([path, { text }]) => (saysPure.test(text) ? path : []));
    expect(pure).toContain("src/machines/taskMachine.ts");
    const ways = pure.flatMap((path) => impurities(graph, path));
    // Omits chains that end with another reported chain.
    expect(ways.filter((way) => !ways.some((other) => way.endsWith(`> ${other}`)))).toEqual([]);
  });

  it("of the inspector's page imports only modules that run in a browser", () => {
    const page = [...graph.keys()].filter((path) => path.startsWith("src/inspector/page/"));
    expect(page.length).toBeGreaterThan(20);
    expect(
      page.flatMap((path) =>
        foreign(graph, path, ({ from }) => /^(?:preact\b|@statelyai\/inspect$)/.test(from)),
      ),
    ).toEqual([]);
  });
});

describe("the plugin", () => {
  const atOnce: ImportGraph = new Map(
    [...graph].map(([path, { text, imports }]) => [
      path,
      { text, imports: imports.filter(({ later }) => later !== true) },
    ]),
  );
  const load = (...paths: readonly string[]) => {
    const files = new Set(paths.flatMap((path) => [...loaded(atOnce, path)].map(({ file }) => file)));
    const packages = [...files].flatMap((file) => valuesOf(atOnce, file).map(({ from }) => from));
    return {
      files: [...files].sort(),
      packages: [...new Set(packages.filter((from) => !from.startsWith("src/")))].sort(),
    };
  };

  it("has loaded only these modules when it prints its handshake", () => {
    expect(load("src/main.ts", "src/grpc/plugin.ts")).toEqual({
      files: [
        "src/base/errors.ts",
        "src/base/hclog.ts",
        "src/base/taskId.ts",
        "src/driver/taskErrors.ts",
        "src/grpc/answersUnderWay.ts",
        "src/grpc/driverSlot.ts",
        "src/grpc/handshake.ts",
        "src/grpc/lifeline.ts",
        "src/grpc/plugin.ts",
        "src/grpc/socket.ts",
        "src/main.ts",
        "src/units/visible.ts",
      ],
      packages: [
        "node:events",
        "node:fs",
        "node:net",
        "node:os",
        "node:path",
        "node:sea",
        "node:timers/promises",
        "node:util",
      ],
    });
  });

  it("loads neither options nor the C library nor an event log with its server", () => {
    const { files, packages } = load("src/grpc/server.ts");
    const folders = new Set(files.map((path) => path.split("/")[1]).filter((name) => !name?.includes(".")));
    expect([...folders].sort()).toEqual(["base", "driver", "grpc", "units"]);
    expect(packages).toEqual([
      "@bufbuild/protobuf/wire",
      "@grpc/grpc-js/build/src/constants.js",
      "@grpc/grpc-js/build/src/metadata.js",
      "@grpc/grpc-js/build/src/server-credentials.js",
      "@grpc/grpc-js/build/src/server.js",
      "node:events",
      "node:fs",
      "node:net",
      "node:timers/promises",
      "node:util",
    ]);
  });
});

/**
 * The folders, the lowest first. Each may import the earlier folders that are named beside it, and no others,
 * not even for types. Every folder may also import src/units and src/base.
 */
const layers: Readonly<Record<string, string>> = {
  units: "",
  base: "",
  effects: "",
  machines: "effects",
  store: "effects machines",
  history: "effects machines store",
  fleet: "machines",
  http: "",
  driver: "effects history http machines store",
  grpc: "driver effects store",
  localAgent: "driver effects grpc store",
  learn: "driver effects localAgent",
  "inspector/views": "fleet history machines store",
  "inspector/stately": "machines",
  "inspector/page": "fleet history inspector/stately inspector/views machines",
  inspector: "effects fleet history http inspector/stately inspector/views machines store",
  cli: "driver effects fleet grpc history inspector learn localAgent machines store",
  executable: "effects",
  "main.ts": "cli driver grpc localAgent",
};

/**
 * The folders and files of src/effects, the lowest first. None imports a later one. Between `layout` and
 * `denials` are the parts of a launch: what a task may have comes first, what enforces it last.
 */
const effects: readonly string[] = [
  ...["kernel", "bpf", "paths", "processes", "options", "plan", "denial.ts"],
  ...[
    "layout",
    "names",
    "unveil",
    "users",
    "network",
    "egress",
    "namespaces",
    "cgroup",
    "disk",
    "limits",
    "command",
    "logs",
  ],
  ...[
    "root",
    "landlock",
    "seccomp",
    "denials",
    "blackBox",
    "observe",
    "parts.ts",
    "exceptions.ts",
    "verdicts.ts",
  ],
  ...["run", "host", "launch", "exec", "adoption", "stats", "operator"],
];

describe("a folder", () => {
  const folders = Object.keys(layers);
  const ground = ["units", "base"];
  const deepestFirst = folders.toSorted((a, b) => b.length - a.length);
  const folderOf = (path: string) =>
    deepestFirst.find((folder) => path === `src/${folder}` || path.startsWith(`src/${folder}/`)) ?? "src";
  const known = (folder: string) => (layers[folder] ?? "").split(" ").filter((name) => name !== "");
  const arrows = [...graph].flatMap(([path, { imports }]) =>
    imports
      .filter(({ from }) => from.startsWith("src/"))
      .map(({ from }) => ({ path, from, of: folderOf(path), to: folderOf(from) }))
      .filter(({ of, to }) => of !== to),
  );

  it("imports only from folders in the table", () => {
    const strange = arrows.filter(({ of, to }) => !ground.includes(to) && !known(of).includes(to));
    expect(strange.map(({ path, from }) => `${path} -> ${from}`)).toEqual([]);
  });

  it("imports each folder that the table lists for it, and no folder above it", () => {
    for (const [index, folder] of folders.entries()) {
      const does = new Set(arrows.filter(({ of }) => of === folder).map(({ to }) => to));
      expect([...does].filter((to) => !ground.includes(to)).sort(), folder).toEqual(known(folder));
      expect(folders.slice(0, index), folder).toEqual(expect.arrayContaining(known(folder)));
    }
  });
});

describe("src/effects", () => {
  const place = (path: string) => effects.indexOf(path.split("/")[2] ?? "");

  it("has only the entries of the list", () => {
    const entries = new Set([...graph.keys()].filter((path) => path.startsWith("src/effects/")).map(place));
    expect([...entries].sort((a, b) => a - b)).toEqual(effects.map((_, index) => index));
  });

  it("imports from no later entry of the list", () => {
    const later = [...graph]
      .filter(([path]) => path.startsWith("src/effects/"))
      .flatMap(([path, { imports }]) =>
        imports
          .filter(({ from }) => from.startsWith("src/effects/") && place(from) > place(path))
          .map(({ from }) => `${path} -> ${from}`),
      );
    expect(later).toEqual([]);
  });
});

describe("native code", () => {
  it.each([
    ["koffi", "src/effects/kernel/bindings.ts"],
    ["lmdb", "src/store/lmdb/lmdbEventStore.ts"],
  ])("of %s is known to one file only", (addon, file) => {
    const importers = [...graph].filter(([, { imports }]) => imports.some(({ from }) => from === addon));
    expect(importers.map(([path]) => path)).toEqual([file]);
  });

  it("is called by no other means", () => {
    const callers = [...graph].filter(([, { text }]) => /node:ffi|\bdlopen\(/.test(text));
    expect(callers.map(([path]) => path)).toEqual(["src/executable/addon.ts"]);
  });
});

describe("the entries of a folder, its files and its subfolders as wholes,", () => {
  const folders = new Set([...graph.keys()].flatMap(foldersAbove));

  it.each([...folders])("import each other in one direction only: %s", (folder) => {
    expect(arrowsInCircles(graph, folder)).toEqual([]);
  });

  it("are in a circle if each leads to the other, even by a type alone", () => {
    const file = (...imports: string[]) => ({
      text: "",
      imports: imports.map((from) => ({ from, names: [], typeOnly: true })),
    });
    const made: ImportGraph = new Map([
      ["src/a/b/c.ts", file("src/a/d.ts")],
      ["src/a/b/e.ts", file()],
      ["src/a/d.ts", file("src/a/b/e.ts", "src/f.ts")],
      ["src/f.ts", file()],
    ]);
    expect(arrowsInCircles(made, "src/a")).toEqual([
      "src/a/b/c.ts -> src/a/d.ts",
      "src/a/d.ts -> src/a/b/e.ts",
    ]);
    expect(arrowsInCircles(made, "src")).toEqual([]);
  });
});

describe("the graph of imports", () => {
  it("has every statement and call, with the imported names, and says whether only types are imported", () => {
    const text = [
      'import type { A } from "./a.ts";',
      'import { type B, c as d } from "../b.ts";',
      'import {\n  e,\n  f,\n} from "e";',
      'import * as g from "g";',
      'import "h";',
      'export { i } from "./i.ts";',
      'export type { J } from "./j.ts";',
      '  const { k } = await import("./k.ts");',
      "  const l = await import(path);",
      ' *     import { m } from "m";',
    ].join("\n");
    const types = { typeOnly: true };
    const values = { typeOnly: false };
    expect(importsOf("src/x/y.ts", text)).toEqual([
      { from: "src/x/a.ts", names: ["A"], ...types },
      { from: "src/b.ts", names: ["B", "c"], ...values },
      { from: "e", names: ["e", "f"], ...values },
      { from: "g", names: ["*"], ...values },
      { from: "h", names: [], ...values },
      { from: "src/x/i.ts", names: ["i"], ...values },
      { from: "src/x/j.ts", names: ["J"], ...types },
      { from: "src/x/k.ts", names: ["*"], ...values, later: true },
      { from: "a computed name", names: ["*"], ...values, later: true },
    ]);
  });

  it("contains existing files only", () => {
    const missing = [...graph].flatMap(([path, { imports }]) =>
      imports
        .filter(({ from }) => from.startsWith("src/") && !graph.has(from))
        .map(({ from }) => [path, from]),
    );
    expect(missing).toEqual([]);
  });

  it("shows the chain of imports that leads to an impure module", () => {
    const file = (text: string, ...imports: Import[]) => ({ text, imports });
    const to = (from: string, ...names: string[]): Import => ({ from, names, typeOnly: false });
    const made: ImportGraph = new Map([
      ["src/a.ts", file("", to("src/b.ts"), to("src/c.ts"), { ...to("lmdb"), typeOnly: true })],
      ["src/b.ts", file("", to("src/c.ts"), to("zod", "*"), to("node:os", "constants"))],
      ["src/c.ts", file("", to("src/a.ts"), to("node:fs", "readFileSync"), to("node:os", "hostname"))],
      ["src/d.ts", file("const now = Date.now();")],
    ]);
    expect(impurities(made, "src/a.ts")).toEqual([
      "src/a.ts -> src/c.ts -> node:fs (readFileSync)",
      "src/a.ts -> src/c.ts -> node:os (hostname)",
    ]);
    expect(impurities(made, "src/d.ts")).toEqual(["src/d.ts -> Date.now"]);
  });
});

/** The folders that a file of src/ is in, from src/ down. */
function foldersAbove(path: string): string[] {
  const parts = path.split("/");
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("/"));
}

/** The imports between a folder's entries that are in a circle, or lead from one circle to another. */
function arrowsInCircles(among: ImportGraph, folder: string): string[] {
  const entryOf = (path: string) =>
    path.startsWith(`${folder}/`) ? path.slice(folder.length + 1).split("/", 1)[0] : undefined;
  let arrows = [...among].flatMap(([path, { imports }]) =>
    imports.flatMap(({ from }) => {
      const of = entryOf(path);
      const to = entryOf(from);
      return of === undefined || to === undefined || of === to ? [] : { path, from, of, to };
    }),
  );
  for (let before = 0; before !== arrows.length; ) {
    before = arrows.length;
    const sources = new Set(arrows.map(({ of }) => of));
    const targets = new Set(arrows.map(({ to }) => to));
    arrows = arrows.filter(({ of, to }) => targets.has(of) && sources.has(to));
  }
  return arrows.map(({ path, from }) => `${path} -> ${from}`);
}

/** The chains of imports that lead from a file to a module that a pure file must not import. */
function impurities(among: ImportGraph, path: string): string[] {
  const outside = foreign(among, path, ({ from, names }) => {
    const allowed = Object.hasOwn(computes, from) ? computes[from] : [];
    return allowed === "whole" || (names.length > 0 && names.every((name) => allowed?.includes(name)));
  });
  const looks = [...loaded(among, path)].flatMap(({ file, way }) => {
    const [what] = clock.exec(among.get(file)?.text ?? "") ?? [];
    return what === undefined ? [] : `${way} -> ${what}`;
  });
  return [...outside, ...looks];
}

/** The chains of imports from a file to forbidden imports from outside of src/. */
function foreign(among: ImportGraph, path: string, isAllowed: (imported: Import) => boolean): string[] {
  return [...loaded(among, path)].flatMap(({ file, way }) =>
    valuesOf(among, file)
      .filter((imported) => !imported.from.startsWith("src/") && !isAllowed(imported))
      .map(({ from, names }) => `${way} -> ${from} (${names.join(", ")})`),
  );
}

/** The file and all files of src/ that are loaded with it, each with the shortest chain of imports. */
function* loaded(among: ImportGraph, path: string): Generator<{ file: string; way: string }> {
  const ways = new Map([[path, path]]);
  for (const [file, way] of ways) {
    yield { file, way };
    for (const { from } of valuesOf(among, file)) {
      if (from.startsWith("src/") && !ways.has(from)) ways.set(from, `${way} -> ${from}`);
    }
  }
}

function valuesOf(among: ImportGraph, file: string): Import[] {
  return (among.get(file)?.imports ?? []).filter(({ typeOnly }) => !typeOnly);
}
