/**
 * Paths that programs look for at their start, and can do without. In a private root they are often missing, and a
 * program that ends soon afterwards has another reason. The lists are what shells, Python, Node, Java, PHP, curl,
 * ssh and vim were seen to look for in a sandbox, and to work without. Pure.
 */

/** Each with what is below it. */
const optional = [
  "/etc/alternatives",
  "/etc/bash\\.[^/]*", // bash
  "/etc/crypto-policies", // OpenSSL, GnuTLS
  "/etc/environment",
  "/etc/gnutls",
  "/etc/group", // getgrgid(3): the numbers do, too
  "/etc/hostname",
  "/etc/inputrc", // readline
  "/etc/java[^/]*",
  "/etc/ld\\.so\\.(?:cache|preload|conf)[^/]*",
  "/etc/locale[^/]*", // setlocale(3)
  "/etc/localtime", // tzset(3): UTC
  "/etc/mailcap",
  "/etc/mime\\.types",
  "/etc/networks",
  "/etc/passwd", // getpwuid(3): shells, ssh, curl, vim
  "/etc/perl",
  "/etc/php",
  "/etc/profile[^/]*", // shells
  "/etc/protocols",
  "/etc/python[^/]*",
  "/etc/selinux",
  "/etc/services",
  "/etc/shells",
  "/etc/ssl/openssl\\.cnf", // OpenSSL
  "/etc/terminfo",
  "/etc/timezone",
  "/etc/vim",
  "/(?:var/)?run/(?:nscd|systemd|dbus|user)",
  "/root",
  "/sys", // Java, Go, Node: cores, huge pages, limits
  "/usr/(?:lib|share)/(?:i18n|locale[^/]*|terminfo|zoneinfo|vim)",
  "/dev/(?:tty|console|log)",
];

const pattern = new RegExp(`^(?:${optional.join("|")})(?:/|$)`);

/** Whether a path, without `..`, is one that programs can do without. */
export function isOptional(path: string): boolean {
  return pattern.test(path);
}
