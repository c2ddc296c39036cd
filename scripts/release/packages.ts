/** Makes the packages of a release: for Debian, for RPM, and an archive for other distributions. */
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
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

const summary = "Nomad task driver that runs commands in a Landlock sandbox";
const description = ` A plugin for Nomad clients. Landlock decides which paths a task can reach,
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
  /** Level of xz(1) and gzip(1), 0 to 9. RPM's is at least 1. */
  readonly compression: number;
}

/** Makes the Debian package with dpkg's tools: deb(5). @returns its path in the folder */
export function buildDeb(input: PackageInput, folder: string): string {
  const { architecture, executable, date, compression } = input;
  const content = new Map([
    ...installedFiles(input, "zsh/vendor-completions"),
    [`usr/share/doc/${name}/copyright`, copyrightText(ownLicence())],
    [`usr/share/doc/${name}/changelog.gz`, gzipped(changelogText(date))],
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

/** The files of both kinds of packages, but for the executable. @param zsh where zsh looks for completions */
function installedFiles({ licences, date }: PackageInput, zsh: string): Content {
  const { man, completions } = documentation(date);
  return new Map<string, string | Buffer>([
    [`usr/share/man/man1/${name}.1.gz`, gzipped(man)],
    [`usr/share/bash-completion/completions/${name}`, completions.bash],
    [`usr/share/${zsh}/_${name}`, completions.zsh],
    [`usr/share/fish/vendor_completions.d/${name}.fish`, completions.fish],
    ...[...pages()].map(([path, bytes]) => [`usr/share/doc/${name}/${path}`, bytes] as const),
    ...[...setupFiles()].map(([path, bytes]) => [`usr/share/doc/${name}/examples/${path}`, bytes] as const),
    [`usr/share/doc/${name}/LICENCES.gz`, gzipped(licences)],
  ]);
}

/** Makes the package for RPM with rpmbuild(8). @returns its path in the folder */
export function buildRpm(input: PackageInput, folder: string): string {
  const { executable, date, compression } = input;
  const architecture = rpmNames[input.architecture] ?? input.architecture;
  const content = new Map([
    ...installedFiles(input, "zsh/site-functions"),
    [`usr/share/licenses/${name}/LICENSE`, ownLicence()],
  ]);
  return staged(folder, `${name}-${version}-1.${architecture}.rpm`, (stage, path) => {
    const tree = join(stage, "tree");
    writeContent(tree, content);
    copyProgram(executable, join(tree, "usr/bin"));
    const spec = join(stage, `${name}.spec`);
    writeFileSync(spec, specText([...content.keys()], tree, date));
    const macros = {
      _topdir: stage,
      _rpmdir: folder,
      _rpmfilename: basename(path),
      // The machine of the build, its time and its processors would be in the package.
      _buildhost: "localhost",
      use_source_date_epoch_as_buildtime: "1",
      build_mtime_policy: "clamp_to_source_date_epoch",
      _binary_payload: `w${Math.max(1, compression)}.xzdio`,
      _build_id_links: "none",
    };
    const defined = Object.entries(macros).flatMap(([macro, value]) => ["--define", `${macro} ${value}`]);
    execFileSync("rpmbuild", ["-bb", "--quiet", "--target", `${architecture}-linux`, ...defined, spec], {
      env: { ...process.env, HOME: stage, SOURCE_DATE_EPOCH: String(date) },
      stdio: ["ignore", 2, "pipe"],
    });
  });
}

/** Debian's names of architectures, as RPM has them. */
const rpmNames: Readonly<Record<string, string>> = { amd64: "x86_64", arm64: "aarch64" };

/**
 * The scripts are Debian's, with the arguments that dpkg gives them: rpm's say how many versions are left.
 * @param paths of the files in the tree, without the executable
 */
function specText(paths: readonly string[], tree: string, date: number): string {
  const script = (file: string) =>
    packagingFile(file)
      .replace(/^#!.*\n/, "")
      .replaceAll("%", "%%");
  const lastOne = '[ "$1" -eq 0 ] || exit 0\nset -- remove';
  return `Name: ${name}
Epoch: ${epoch}
Version: ${version}
Release: 1
Summary: ${summary}
License: MIT
Group: System Environment/Daemons
Packager: ${maintainer}
AutoReqProv: no
Requires: glibc >= 2.34, libgcc, libstdc++ >= 11

# The executable has its program behind its ELF sections: strip(1) would remove it.
%global debug_package %{nil}
%global __os_install_post %{nil}

%description
${description.replaceAll(/^ /gm, "")}

%install
cp -a ${tree}/. %{buildroot}/

%post
set -- configure
${script("postinst")}
%preun
${lastOne}
${script("prerm")}
%postun
${lastOne}
${script("postrm")}
%files
%defattr(-,root,root)
/usr/bin/${name}
${[...ownFolders(paths)].map((folder) => `%dir "/${folder}"`).join("\n")}
${paths.map((path) => `"/${path}"`).join("\n")}

%changelog
* ${dateBy("%a %b %d %Y", date)} ${maintainer} - ${epoch}:${version}-1
- CHANGELOG.md of the sources lists the changes.
`;
}

/** The folders of files that nobody else has: those with the package's name in their path. */
function ownFolders(paths: readonly string[]): Set<string> {
  const folders = new Set<string>();
  for (const path of paths) {
    for (let folder = dirname(path); folder.includes(`/${name}`); folder = dirname(folder))
      folders.add(folder);
  }
  return folders;
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
Description: ${summary}
${description}
`;
}

function changelogText(date: number): string {
  return `${name} (${epoch}:${version}) unstable; urgency=medium

  * CHANGELOG.md of the sources lists the changes.

 -- ${maintainer}  ${dateBy("%a, %d %b %Y %T +0000", date)}`;
}

/** @param form of date(1) @param date in seconds since the epoch */
function dateBy(form: string, date: number): string {
  const args = ["-u", "-d", `@${date}`, `+${form}`];
  return execFileSync("date", args, { encoding: "utf8", env: { LC_ALL: "C" } }).trimEnd();
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
