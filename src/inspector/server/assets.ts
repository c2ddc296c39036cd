/** The page's files, made by the build (scripts/inspectorPage.ts), read once and served from memory. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { getAsset, getAssetKeys, isSea } from "node:sea";
import { DriverError } from "../../base/errors.ts";
import type { Answer } from "./responses.ts";

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** The page that opens Stately's inspector stays connected to its window, by which the two exchange messages. */
const headers: Readonly<Record<string, Answer["headers"]>> = {
  "stately.html": { "Cross-Origin-Opener-Policy": "same-origin-allow-popups" },
};

/**
 * Loads the files, by the path of their URL.
 * @throws DriverError `UNSUPPORTED` if the page was not built
 */
export function loadAssets(): ReadonlyMap<string, Answer> {
  const files = isSea() ? filesInExecutable() : filesOfBuild();
  return new Map(
    files.map(([name, body]) => {
      const type = types[extname(name)] ?? "application/octet-stream";
      return [name === "index.html" ? "/" : `/${name}`, { type, body, headers: headers[name] ?? {} }];
    }),
  );
}

type PageFile = readonly [name: string, body: Buffer];

function filesInExecutable(): PageFile[] {
  const prefix = "inspector/";
  const keys = getAssetKeys().filter((key) => key.startsWith(prefix));
  return keys.map((key) => [key.slice(prefix.length), Buffer.from(getAsset(key))]);
}

function filesOfBuild(): PageFile[] {
  const folder = join(import.meta.dirname, "../../../dist/inspector");
  if (!existsSync(folder)) {
    throw new DriverError("UNSUPPORTED", `the inspector's page is missing: ${folder}`, {
      hint: "Build it with `npm run build`",
    });
  }
  return readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]);
}
