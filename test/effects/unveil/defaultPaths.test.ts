import { expect, test } from "vitest";
import { defaultEntries } from "../../../src/effects/unveil/defaultPaths.ts";
import { formatUnveil } from "../../../src/effects/unveil/unveil.ts";

test("the default paths are those that HashiCorp documents", () => {
  const published = {
    rx: "/bin /usr/bin /usr/local/bin /lib /lib64 /usr/lib /usr/lib64 /usr/libexec /usr/local/lib /usr/local/lib64",
    rwc: "/tmp",
    rw: "/dev/null /dev/full /dev/stdin /dev/stdout /dev/stderr",
    w: "/dev/log",
    r: [
      "/etc/ld.so.conf /etc/ld.so.cache /etc/ld.so.conf.d",
      "/dev/zero /dev/fd /dev/urandom /usr/share/locale /usr/share/zoneinfo /usr/share/common-licenses",
      "/proc/self/cmdline /proc/sys/kernel/ngroups_max /proc/sys/kernel/cap_last_cap",
      "/proc/sys/vm/overcommit_memory",
      "/etc/hosts /hostname /etc/hostname /etc/services /etc/protocols /etc/resolv.conf",
      "/etc/ssl/certs /etc/pki/tls/certs /etc/ssl/ca-bundle.pem /etc/pki/tls/cacert.pem",
      "/etc/pki/ca-trust-extracted/pem/tls-ca-bundle.pem /etc/ssl/cert.pem /sys/etc/security/cacerts",
    ].join(" "),
  };
  const expected = Object.entries(published).flatMap(([mode, paths]) =>
    paths.split(" ").map((path) => `${mode}:${path}`),
  );
  expect(defaultEntries.map(formatUnveil).sort()).toEqual(expected.sort());
});

test("no path occurs twice, and all come from the defaults", () => {
  expect(new Set(defaultEntries.map(({ path }) => path)).size).toBe(defaultEntries.length);
  expect(new Set(defaultEntries.map(({ source }) => source))).toEqual(new Set(["default"]));
});

test("nothing that can be executed can be written", () => {
  const both = defaultEntries.filter(({ mode }) => mode.execute && (mode.write || mode.create));
  expect(both).toEqual([]);
});
