/** The release's archive, for distributions without Debian packages. */
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { version } from "../../src/version.ts";
import { type Content, copyExamples, documentation, packagingFile, writeContent } from "./content.ts";
import type { DebInput } from "./deb.ts";

const name = "nomad-driver-exec2";

/** Writes the archive to a folder; returns its path. */
export function buildArchive(
  { architecture, executable, licences, date, compression }: DebInput,
  folder: string,
): string {
  const stage = mkdtempSync(join(tmpdir(), "exec2-archive-"));
  try {
    const top = `${name}-${version}-linux-${architecture}`;
    const { man, completions } = documentation(date);
    const content: Content = new Map([
      [`${name}.1`, man],
      [`completions/${name}.bash`, completions.bash],
      [`completions/_${name}`, completions.zsh],
      [`completions/${name}.fish`, completions.fish],
      ["agent.hcl", packagingFile("agent.hcl")],
      ["LICENCES", licences],
    ]);
    writeContent(join(stage, top), content);
    copyExamples(join(stage, top, "examples"));
    cpSync(executable, join(stage, top, name));
    chmodSync(join(stage, top, name), 0o755);
    const same = [
      "--sort=name",
      "--owner=0",
      "--group=0",
      "--numeric-owner",
      `--mtime=@${date}`,
      "--mode=u=rwX,go=rX",
    ];
    const tar = execFileSync("tar", ["-c", "--format=gnu", ...same, top], { cwd: stage, maxBuffer: 1 << 30 });
    mkdirSync(folder, { recursive: true });
    const path = join(folder, `${top}.tar.gz`);
    writeFileSync(path, gzipSync(tar, { level: compression }));
    return path;
  } finally {
    rmSync(stage, { recursive: true });
  }
}
