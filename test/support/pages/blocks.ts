/** The fenced blocks of README.md, CONTRIBUTING.md and docs. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../../..");
const docs = (readdirSync(join(root, "docs"), { recursive: true }) as string[]).filter((name) =>
  name.endsWith(".md"),
);

/** Paths from the root of the checkout. */
export const pages = ["README.md", "CONTRIBUTING.md", ...docs.map((name) => `docs/${name}`)];

export interface Block {
  readonly page: string;
  /** Page and line, such as `docs/run.md:42`. */
  readonly place: string;
  readonly language: string;
  readonly text: string;
  /** The reason in the comment `<!-- not run: WHY -->` before the block. */
  readonly notRun: string | undefined;
}

export const textOf = (page: string): string => readFileSync(join(root, page), "utf8");

export function blocksOf(page: string): Block[] {
  const source = textOf(page);
  const fences = source.matchAll(/(?:<!-- not run: (\S[^\n]*) -->\n+)?^( *)```(\w*)\n(.*?)^\2```$/gms);
  return [...fences].map(
    ({ 0: whole, 1: notRun, 2: margin = "", 3: language = "", 4: inside = "", index }) => {
      const text = inside.replaceAll(new RegExp(`^${margin}`, "gm"), "");
      const fence = index + whole.indexOf("```");
      return { page, place: `${page}:${source.slice(0, fence).split("\n").length}`, language, text, notRun };
    },
  );
}
