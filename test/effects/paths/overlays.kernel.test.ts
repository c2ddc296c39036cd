import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { hostMounts } from "../../../src/effects/paths/hostMounts.ts";
import { Overlays } from "../../../src/effects/paths/overlays.ts";
import { mountOverlay } from "../../support/host/overlay.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

let base: string;
beforeEach(() => {
  // In memory, so that the layers are in a file system of their own, whatever the host's is.
  base = temporaryFolder();
  const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "none", base], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  onTestFinished(() => void spawnSync("umount", ["--lazy", base]));
  for (const name of ["one/in", "two", "three", "up", "work", "shown", "stacked"])
    mkdirSync(`${base}/${name}`, { recursive: true });
});

/** The mount at a path. */
function mountAt(path: string) {
  const mount = hostMounts()
    .table()
    .atOrBelow(path)
    .find(({ point }) => point === path);
  return mount ?? expect.fail(`nothing is mounted at ${path}`);
}

/** The paths in the file system of the test, for a path in the file system that is mounted at another one. */
function pathsBelow(point: string, path: string): string[] {
  const { device } = mountAt(point);
  const own = mountAt(base);
  return new Overlays(hostMounts().table()).below({ device, path }).flatMap(({ place, type }) => {
    if (place.device !== own.device) return [];
    expect(type).toBe("tmpfs");
    return [place.path];
  });
}

test("a place in an overlay is in each of its layers, also where these are links or other overlays", (context) => {
  symlinkSync("two", `${base}/link`);
  mountOverlay(context, `${base}/shown`, {
    lower: [`${base}/one`, `${base}/link`],
    upper: `${base}/up`,
    work: `${base}/work`,
  });
  expect(pathsBelow(`${base}/shown`, "/in/file").toSorted()).toEqual([
    "/one/in/file",
    "/two/in/file",
    "/up/in/file",
  ]);
  expect(pathsBelow(`${base}/shown`, "/").toSorted()).toEqual(["/one", "/two", "/up"]);
  mountOverlay(context, `${base}/stacked`, { lower: [`${base}/shown/in`, `${base}/three`] });
  expect(pathsBelow(`${base}/stacked`, "/file")).toEqual(
    expect.arrayContaining(["/three/file", "/one/in/file", "/two/in/file", "/up/in/file"]),
  );
});

test.for(["a:b", "a,b", "a b", "a\\b", "a\\:b"])("a layer may be named %j", (name, context) => {
  mkdirSync(`${base}/${name}`);
  mountOverlay(context, `${base}/shown`, { lower: [`${base}/${name}`, `${base}/one`] });
  expect(pathsBelow(`${base}/shown`, "/x")).toEqual([`/${name}/x`, "/one/x"]);
});

test("other file systems have no layers, and an overlay over its own layer has itself", (context) => {
  writeFileSync(`${base}/one/file`, "");
  expect(pathsBelow(base, "/one")).toEqual([]);
  mountOverlay(context, `${base}/one`, { lower: [`${base}/one`, `${base}/two`] });
  expect(pathsBelow(`${base}/one`, "/file")).toContain("/two/file");
});
