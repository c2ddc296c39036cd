/** Which file of src/ imports what, read off the text as the formatter leaves it. */
import { globSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";

const root = join(import.meta.dirname, "../..");

export interface Import {
  /** `src/…`, or the package. */
  readonly from: string;
  /** As they are called there; `*`: all. */
  readonly names: readonly string[];
  /** Gone once the types are stripped: nothing of it is loaded. */
  readonly typeOnly: boolean;
}

export interface SourceFile {
  readonly text: string;
  readonly imports: readonly Import[];
}

export type ImportGraph = ReadonlyMap<string, SourceFile>;

/** Files of src/ by their paths from the root. */
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
  }));
  return [...statements, ...calls];
}

function namesIn(clause: string): string[] {
  const named = /^\{([^}]*)\}$/s.exec(clause)?.[1];
  if (named === undefined) return ["*"];
  const names = named.split(",").map((each) => each.trim());
  return names.flatMap((each) => each.replace(/^type /, "").replace(/ as .*$/, "") || []);
}
