/** Volumes whose files belong to {@link volumeOwner}, which nobody else may enter. */
import { chmodSync, chownSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { hostFolder } from "../../support/host/temporaryFolder.ts";
import { volumeOwner } from "./beforeReboot.ts";
import { diskFolder } from "./prepareGuest.ts";

/** A new volume below a folder, for the duration of the case. */
export function ownedVolume(parent: string): string {
  return closed(hostFolder(volumeOwner, parent));
}

/** The volume that the second boot finds as the first one has left it. */
export function volumeOfReboot(): string {
  const source = `${diskFolder}/volume`;
  if (existsSync(source)) return source;
  mkdirSync(source);
  return closed(source);
}

function closed(source: string): string {
  const { uid, gid } = volumeOwner;
  writeFileSync(`${source}/file`, "content\n", { mode: 0o600 });
  for (const path of [source, `${source}/file`]) chownSync(path, uid, gid);
  chmodSync(source, 0o700);
  return source;
}
