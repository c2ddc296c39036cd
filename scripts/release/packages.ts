/** Makes the packages of a release: the Debian package, and an archive for other distributions. */
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { version } from "../../src/base/version.ts";
import {
  type Content,
  documentation,
  gzipped,
  ownLicence,
  packagingFile,
  pages,
  setupFiles,
  writeContent,
} from "./content.ts";

const name = "nomad-driver-exec2";

/**
 * The first part of a Debian version. HashiCorp's package has the same name and higher versions. Without an
 * epoch, the next upgrade of the host would bring back HashiCorp's package.
 */
const epoch = 1;

/**
 * The maintainer, from the variables that Debian's tools use: deb-changelog(5). The default address ends with
 * `.invalid`, which nobody owns (RFC 2606), because the project has no email address.
 */
const { DEBFULLNAME = "nomad-driver-exec2", DEBEMAIL = "nobody@nomad-driver-exec2.invalid" } = process.env;
const maintainer = `${DEBFULLNAME} <${DEBEMAIL}>`;

const description = `Nomad task driver that runs commands in a Landlock sandbox
 A plugin for Nomad clients. Landlock decides which paths a task can reach,
 cgroups v2 how much it may use, namespaces what it sees; every task runs as a
 user of its own. What happens to each task is kept in an event log.`;

export interface PackageInput {
  /** Debian's name of the architecture. */
  readonly architecture: string;
  /** Path of the executable. */
  readonly executable: string;
  readonly licences: string;
  /** Date of the package, in seconds since the epoch. No file in it is newer. */
  readonly date: number;
  /** Level of xz(1) and gzip(1), 0 to 9. */
  readonly compression: number;
}

/** Makes the Debian package with dpkg's tools: deb(5). @returns its path in the folder */
export function buildDeb(input: PackageInput, folder: string): string {
  const { architecture, executable, licences, date, compression } = input;
  const { man, completions } = documentation(date);
  const content: Content = new Map<string, string | Buffer>([
    [`usr/share/man/man1/${name}.1.gz`, gzipped(man)],
    [`usr/share/bash-completion/completions/${name}`, completions.bash],
    [`usr/share/zsh/vendor-completions/_${name}`, completions.zsh],
    [`usr/share/fish/vendor_completions.d/${name}.fish`, completions.fish],
    ...[...pages()].map(([path, bytes]) => [`usr/share/doc/${name}/${path}`, bytes] as const),
    [`usr/share/doc/${name}/copyright`, copyrightText(ownLicence())],
    [`usr/share/doc/${name}/LICENCES.gz`, gzipped(licences)],
    [`usr/share/doc/${name}/changelog.gz`, gzipped(changelogText(date))],
    ...[...setupFiles()].map(([path, bytes]) => [`usr/share/doc/${name}/examples/${path}`, bytes] as const),
    [`usr/share/lintian/overrides/${name}`, packagingFile("lintian-overrides")],
  ]);
  const scripts = ["postinst", "prerm", "postrm"];
  return staged(folder, `${name}_${version}_${architecture}.deb`, (stage, path) => {
    writeContent(stage, content);
    copyProgram(executable, join(stage, "usr/bin"));
    const control = new Map<string, string>([
      ["DEBIAN/control", controlText(architecture, statSync(executable).size)],
      ["DEBIAN/md5sums", checksums(stage)],
      ...scripts.map((script) => [`DEBIAN/${script}`, packagingFile(script)] as const),
    ]);
    writeContent(
      stage,
      control,
      scripts.map((script) => `DEBIAN/${script}`),
    );
    execFileSync(
      "dpkg-deb",
      // xz compresses block by block, so any number of threads gives the same bytes.
      ["--root-owner-group", "-Zxz", `-z${compression}`, "--build", stage, path],
      {
        env: { ...process.env, SOURCE_DATE_EPOCH: String(date) },
        stdio: ["ignore", 2, 2],
      },
    );
  });
}

/** Makes the archive. @returns its path in the folder */
export function buildArchive(input: PackageInput, folder: string): string {
  const { architecture, executable, licences, date, compression } = input;
  const top = `${name}-${version}-linux-${architecture}`;
  const { man, completions } = documentation(date);
  const content: Content = new Map([
    [`${name}.1`, man],
    [`completions/${name}.bash`, completions.bash],
    [`completions/_${name}`, completions.zsh],
    [`completions/${name}.fish`, completions.fish],
    ...setupFiles(),
    ["LICENCES", licences],
    ...pages(),
  ]);
  return staged(folder, `${top}.tar.gz`, (stage, path) => {
    writeContent(join(stage, top), content);
    copyProgram(executable, join(stage, top));
    const reproducible = [
      "--sort=name",
      "--owner=0",
      "--group=0",
      "--numeric-owner",
      `--mtime=@${date}`,
      "--mode=u=rwX,go=rX",
    ];
    const tar = execFileSync("tar", ["-c", "--format=gnu", ...reproducible, top], {
      cwd: stage,
      maxBuffer: 1 << 30,
    });
    writeFileSync(path, gzipSync(tar, { level: compression }));
  });
}

/** Collects the files of a package in a temporary folder. @returns the package's path */
function staged(folder: string, file: string, make: (stage: string, path: string) => void): string {
  const stage = mkdtempSync(join(tmpdir(), "exec2-release-"));
  try {
    chmodSync(stage, 0o755);
    mkdirSync(folder, { recursive: true });
    const path = join(folder, file);
    make(stage, path);
    return path;
  } finally {
    rmSync(stage, { recursive: true });
  }
}

function copyProgram(executable: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  cpSync(executable, join(folder, name));
  chmodSync(join(folder, name), 0o755);
}

function controlText(architecture: string, bytes: number): string {
  return `Package: ${name}
Version: ${epoch}:${version}
Architecture: ${architecture}
Maintainer: ${maintainer}
Installed-Size: ${Math.ceil(bytes / 1024) + 200}
Depends: libc6 (>= 2.34), libgcc-s1 (>= 3.3), libstdc++6 (>= 11)
Suggests: nomad
Section: admin
Priority: optional
Description: ${description}
`;
}

function changelogText(date: number): string {
  const day = execFileSync("date", ["-u", "-R", "-d", `@${date}`], {
    encoding: "utf8",
    env: { LC_ALL: "C" },
  });
  return `${name} (${epoch}:${version}) unstable; urgency=medium

  * CHANGELOG.md of the sources lists the changes.

 -- ${maintainer}  ${day}`;
}

/**
 * The notice in Debian's machine-readable format (copyright-format 1.0). The texts of all licences in the
 * executable are too long for a file that Debian's tools read.
 * @param licence the project's own
 */
function copyrightText(licence: string): string {
  const [holders = ""] = /^Copyright .*/m.exec(licence) ?? [];
  const terms = licence.slice(licence.indexOf("Permission is")).trimEnd();
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: ${name}
Comment: The executable contains Node.js and further packages. LICENCES.gz beside this
 file has the copyright notices and licences of all of them.

Files: *
Copyright: ${holders.replace(/^Copyright (\(c\) )?/, "")}
License: Expat
${terms.replaceAll(/^/gm, " ").replaceAll(/^ $/gm, " .")}
`;
}

function checksums(stage: string): string {
  return execFileSync("sh", ["-c", "find usr -type f | LC_ALL=C sort | xargs md5sum"], {
    cwd: stage,
    encoding: "utf8",
  });
}
