/** The page's files from the build (scripts/inspectorPage.ts), read once and served from memory. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { DriverError } from "../../errors.ts";
import type { Answer } from "./responses.ts";

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".svg": "image/svg+xml",
};

/**
 * Loads the files, by the path of their URL.
 * @throws DriverError `UNSUPPORTED` if the page was not built
 */
export function loadAssets(): ReadonlyMap<string, Answer> {
  const folder = join(packageRoot(import.meta.dirname), "dist/inspector");
  if (!existsSync(folder)) {
    throw new DriverError("UNSUPPORTED", `the inspector's page is missing: ${folder}`, {
      hint: "Make it with `npm run build`",
    });
  }
  const files = readdirSync(folder).map((name): [string, Answer] => [
    name === "index.html" ? "/" : `/${name}`,
    { type: types[extname(name)] ?? "application/octet-stream", body: readFileSync(join(folder, name)) },
  ]);
  return new Map(files);
}

/** Searches upwards, since this module's path differs between source and build. */
function packageRoot(folder: string): string {
  const up = dirname(folder);
  return existsSync(join(folder, "package.json")) || up === folder ? folder : packageRoot(up);
}
