/** The imports of each file of src/, parsed from its formatted text. */
import { globSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";

const root = join(import.meta.dirname, "../..");

export interface Import {
  /** A path `src/…`, or the name of a package. */
  readonly from: string;
  /** The names as the imported module exports them; `*`: all. */
  readonly names: readonly string[];
  /** Whether only types are imported, so that nothing is loaded at run time. */
  readonly typeOnly: boolean;
  /** Set for `import()`: loaded when the code gets there, and not with the file. */
  readonly later?: true;
}

export interface SourceFile {
  readonly text: string;
  readonly imports: readonly Import[];
}

export type ImportGraph = ReadonlyMap<string, SourceFile>;

/** Files of src/ by their paths in the repository. */
export function readImports(): ImportGraph {
  const paths = globSync("src/**/*.{ts,tsx}", { cwd: root }).sort();
  return new Map(
    paths.map((path) => {
      const text = readFileSync(join(root, path), "utf8");
      return [path, { text, imports: importsOf(path, text) }];
    }),
  );
}

/** `import` and `export … from`, at the start of a line; `import()` anywhere but in a comment's line. */
const statement = /^(?:import|export) (type )?(?:([^;"]*?) from )?"([^"]+)";$/gm;
const call = /^(?! *(?:\*|\/\/)).*?\bimport\(\s*(?:"([^"]+)")?/gm;

export function importsOf(path: string, text: string): Import[] {
  const target = (written: string) =>
    written.startsWith(".") ? posix.join(posix.dirname(path), written) : written;
  const statements = [...text.matchAll(statement)].map(([, type, clause = "{}", from = ""]) => ({
    from: target(from),
    names: namesIn(clause),
    typeOnly: type !== undefined,
  }));
  const calls = [...text.matchAll(call)].map(([, from = "a computed name"]) => ({
    from: target(from),
    names: ["*"],
    typeOnly: false,
    later: true as const,
  }));
  return [...statements, ...calls];
}

function namesIn(clause: string): string[] {
  const named = /^\{([^}]*)\}$/s.exec(clause)?.[1];
  if (named === undefined) return ["*"];
  const names = named.split(",").map((each) => each.trim());
  return names.flatMap((each) => each.replace(/^type /, "").replace(/ as .*$/, "") || []);
}
