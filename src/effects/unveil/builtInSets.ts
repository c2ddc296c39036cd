/**
 * The sets of paths that jobs may unveil by a name without the operator having defined them: what programs of
 * Debian need beyond the default paths. Of several versions, a node has one or two, so a path that does not exist
 * is left out. docs/configuration.md shows this table. Pure.
 */

/** A set: its paths as unveil entries, and what is there, in words for the documentation. */
export interface BuiltInSet {
  readonly entries: readonly string[];
  readonly program: string;
  readonly meaning: string;
}

/** @param folder its name up to the version */
const versions = (mode: string, folder: string, numbers: readonly string[], suffix = "") =>
  numbers.map((number) => `${mode}:${folder}${number}${suffix}`);

/** The sets by their names. */
export const builtInSets: Readonly<Record<string, BuiltInSet>> = {
  gcc: { program: "gcc", meaning: "headers", entries: ["r:/usr/include"] },
  git: { program: "git", meaning: "templates", entries: ["r:/usr/share/git-core"] },
  go: {
    program: "Go",
    meaning: "its sources and tools",
    entries: versions("rx", "/usr/share/go-", ["1.19", "1.22", "1.23", "1.24", "1.25", "1.26"]),
  },
  haproxy: { program: "HAProxy", meaning: "the program", entries: ["rx:/usr/sbin/haproxy"] },
  java: {
    program: "Java",
    meaning: "its configuration",
    entries: versions("r", "/etc/java-", ["8", "11", "17", "21", "25"], "-openjdk"),
  },
  nginx: { program: "nginx", meaning: "the program", entries: ["rx:/usr/sbin/nginx"] },
  openssl: {
    program: "`openssl req`, and programs that follow the host's configuration of OpenSSL",
    meaning: "the configuration",
    entries: ["r:/etc/ssl/openssl.cnf"],
  },
  perl: {
    program: "Perl with modules beyond its base",
    meaning: "modules",
    entries: ["r:/usr/share/perl", "r:/usr/share/perl5"],
  },
  postgres: {
    program: "PostgreSQL, with `identity_files = true` (`examples/postgres.nomad.hcl`)",
    meaning: "its data and time zones",
    entries: ["r:/usr/share/postgresql"],
  },
};
