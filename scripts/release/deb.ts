/** Makes the Debian package with dpkg's tools: deb(5). */
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../../src/version.ts";
import { type Content, documentation, gzipped, packagingFile, writeContent } from "./content.ts";

const name = "nomad-driver-exec2";

/**
 * The epoch: HashiCorp's package has this name, too, and higher versions. Without it, the next
 * upgrade of the host would bring theirs back.
 */
const epoch = 1;

/**
 * The maintainer, from the variables that Debian's tools use: deb-changelog(5). The default address ends with
 * `.invalid`, which nobody owns (RFC 2606), because the project has no address.
 */
const { DEBFULLNAME = "nomad-driver-exec2", DEBEMAIL = "nobody@nomad-driver-exec2.invalid" } = process.env;
const maintainer = `${DEBFULLNAME} <${DEBEMAIL}>`;

const description = `Nomad task driver that runs commands in a Landlock sandbox
 A plugin for Nomad clients. Landlock decides which paths a task can reach,
 cgroups v2 how much it may use, namespaces what it sees; every task runs as a
 user of its own. What happens to each task is kept in an event log.`;

export interface DebInput {
  readonly architecture: string;
  /** Path of the executable. */
  readonly executable: string;
  readonly licences: string;
  /** Date of the package, in seconds since the epoch. No file in it is newer. */
  readonly date: number;
  /** Level of xz(1) and gzip(1), 0 to 9. */
  readonly compression: number;
}

/** Writes the package, and nothing else, to a folder; returns its path. */
export function buildDeb(
  { architecture, executable, licences, date, compression }: DebInput,
  folder: string,
): string {
  const stage = mkdtempSync(join(tmpdir(), "exec2-deb-"));
  try {
    chmodSync(stage, 0o755);
    const { man, completions } = documentation(date);
    const changelog = changelogText(date);
    const content: Content = new Map<string, string | Buffer>([
      [`usr/share/man/man1/${name}.1.gz`, gzipped(man)],
      [`usr/share/bash-completion/completions/${name}`, completions.bash],
      [`usr/share/zsh/vendor-completions/_${name}`, completions.zsh],
      [`usr/share/fish/vendor_completions.d/${name}.fish`, completions.fish],
      [`usr/share/doc/${name}/copyright`, copyright],
      [`usr/share/doc/${name}/LICENCES.gz`, gzipped(licences)],
      [`usr/share/doc/${name}/changelog.gz`, gzipped(changelog)],
      [`usr/share/doc/${name}/examples/agent.hcl`, packagingFile("agent.hcl")],
      [`usr/share/lintian/overrides/${name}`, packagingFile("lintian-overrides")],
    ]);
    writeContent(stage, content);
    mkdirSync(join(stage, "usr/bin"));
    cpSync(executable, join(stage, "usr/bin", name));
    chmodSync(join(stage, "usr/bin", name), 0o755);
    const scripts = ["postinst", "prerm", "postrm"];
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
    mkdirSync(folder, { recursive: true });
    const path = join(folder, `${name}_${version}_${architecture}.deb`);
    execFileSync(
      "dpkg-deb",
      // xz compresses block by block, so any number of threads gives the same bytes.
      ["--root-owner-group", "-Zxz", `-z${compression}`, "--build", stage, path],
      {
        env: { ...process.env, SOURCE_DATE_EPOCH: String(date) },
        stdio: ["ignore", 2, 2],
      },
    );
    return path;
  } finally {
    rmSync(stage, { recursive: true });
  }
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

  * CHANGELOG.md of the sources tells what is new.

 -- ${maintainer}  ${day}`;
}

/** The texts of all licences are too long for a file that Debian's tools read. */
const copyright = `The package holds nomad-driver-exec2, under the MIT licence, in one executable with
Node.js and the packages that it uses. LICENCES.gz beside this file has the
copyright notices and licences of each.
`;

function checksums(stage: string): string {
  return execFileSync("sh", ["-c", "find usr -type f | LC_ALL=C sort | xargs md5sum"], {
    cwd: stage,
    encoding: "utf8",
  });
}
