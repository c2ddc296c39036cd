/** `import`: checks a bundle from another host, and stores it. */

import { chmodSync, copyFileSync, readdirSync } from "node:fs";
import { resolve } from "node:path";
import { DriverError } from "../../../base/errors.ts";
import { type Bundle, loadBundle } from "../../../history/replay/bundle/loadBundle.ts";
import { checkLog } from "../../../history/replay/check/checkLog.ts";
import { thisMachine } from "../../../machines/machineVersion.ts";
import { makeFolder, replaceFile } from "../../../store/folder/files.ts";
import { importedBundle } from "../../../store/folder/logFolders.ts";
import { formatTime } from "../../../units/times.ts";
import { visible } from "../../../units/visible.ts";
import { unknownSigner } from "../../histories/bundleSigner.ts";
import { FindingView, isVerified } from "../../histories/findingView.ts";
import { jsonOf } from "../../terminal/json.ts";
import { print } from "../../terminal/output.ts";
import { styleFor } from "../../terminal/style.ts";

/**
 * @param to folder to copy the bundle to; undefined makes no copy
 * @returns the exit code: 1 if an event was changed, or if the state machine's result is not the recorded one
 * @throws DriverError `BUNDLE_INVALID` if the file is not a complete bundle, or the folder is not empty
 */
export async function importBundle(path: string, to: string | undefined, json: boolean): Promise<number> {
  const bundle = await loadBundle(path);
  const report = { ...checkLog(bundle.reader), ...unknownSigner(path) };
  const view = new FindingView(styleFor(process.stdout), false);
  if (to !== undefined) keep(path, to);
  const { streams, ...header } = bundle.header;
  if (json) {
    const tasks = streams.map(({ stream, version }) => ({ id: stream, events: version }));
    print(jsonOf("import", { ...header, tasks, check: view.fields(report, thisMachine) }));
    return isVerified(report) ? 0 : 1;
  }
  const tasks = streams.map(({ stream, version }) => `  ${visible(stream)}  ${version} events`);
  const where = to === undefined ? path : `--state-dir ${to}`;
  print(
    [
      origin(bundle),
      ...tasks,
      view.report(report, thisMachine),
      "",
      `Next: nomad-driver-exec2 replay ${where}`,
    ].join("\n"),
  );
  return isVerified(report) ? 0 : 1;
}

function origin({ header }: Bundle): string {
  const { driver, host, exportedAt, masked } = header;
  const args = masked ? "arguments masked" : "arguments included";
  return visible(
    `Exported ${formatTime(exportedAt)} by version ${driver} on Linux ${host.kernel} ${host.arch}, ${args}:`,
  );
}

function keep(path: string, to: string): void {
  try {
    makeFolder(to, 0o700);
    if (readdirSync(to).length > 0) {
      throw new DriverError("BUNDLE_INVALID", `${to} is not empty`, { hint: "Choose another folder" });
    }
    replaceFile(importedBundle(to), (unfinished) => {
      copyFileSync(path, unfinished);
      chmodSync(unfinished, 0o600);
    });
  } catch (thrown) {
    throw DriverError.from(thrown, "BUNDLE_INVALID", `the bundle cannot be stored in ${resolve(to)}`);
  }
}
