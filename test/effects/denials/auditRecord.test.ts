/** Records of audit, as kernels write them. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseRecord } from "../../../src/effects/denials/auditRecord.ts";

const [SYSCALL, CONFIG_CHANGE, SECCOMP, ACCESS, DOMAIN] = [1300, 1305, 1326, 1423, 1424];
const stamp = "audit(1795656072.815:274): ";
const stamped = { serial: 274, timeMs: 1_795_656_072_815 };

describe("a record", () => {
  it("of a denied file names its domain and path", () => {
    const text = `${stamp}domain=154bc0a58 blockers=fs.read_file path="/etc/passwd" dev="vda" ino=638994`;
    expect(parseRecord(ACCESS, text)).toEqual({
      ...stamped,
      kind: "denial",
      domain: "154bc0a58",
      blockers: ["fs.read_file"],
      object: "/etc/passwd",
      request: null,
    });
  });

  it("of a refused ioctl has the request", () => {
    const text = `${stamp}domain=154bc0a58 blockers=fs.ioctl_dev path="/dev/urandom" dev="vda" ino=7 ioctlcmd=0x5401`;
    expect(parseRecord(ACCESS, text)).toMatchObject({ object: "/dev/urandom", request: 0x5401 });
  });

  it.each([
    [
      'blockers=fs.make_reg,fs.refer path=2F746D702F6120C3BC dev="vda"',
      ["fs.make_reg", "fs.refer"],
      "/tmp/a ü",
    ],
    ["blockers=net.connect_tcp daddr=127.0.0.1 dest=81", ["net.connect_tcp"], "81"],
    ["blockers=net.connect_tcp daddr=::1 dest=82", ["net.connect_tcp"], "82"],
    ["blockers=net.bind_tcp src=4242", ["net.bind_tcp"], "4242"],
    ["blockers=net.bind_tcp", ["net.bind_tcp"], "0"],
    ['blockers=scope.signal opid=1 ocomm="systemd"', ["scope.signal"], "systemd, pid 1"],
    ["blockers=scope.abstract_unix_socket path=00666F6F", ["scope.abstract_unix_socket"], "@foo"],
    ["blockers=fs.change_topology", ["fs.change_topology"], null],
    [`blockers=fs.read_file path="/${"x".repeat(3000)}"`, ["fs.read_file"], `/${"x".repeat(1022)}…`],
  ])("with %s names the refused access and its object", (body, blockers, object) => {
    expect(parseRecord(ACCESS, `${stamp}domain=1 ${body}`)).toMatchObject({ blockers, object });
  });

  it("of a domain names the process that made it, and how often it denied something", () => {
    const made = `${stamp}domain=a1 status=allocated mode=enforcing pid=9710 uid=80001 exe="/memfd:x" comm="x"`;
    expect(parseRecord(DOMAIN, made)).toEqual({
      ...stamped,
      kind: "domain",
      domain: "a1",
      pid: 9710,
      uid: 80001,
    });
    const gone = `${stamp}domain=a1 status=deallocated denials=30`;
    expect(parseRecord(DOMAIN, gone)).toEqual({ ...stamped, kind: "domainEnd", domain: "a1", denials: 30 });
  });

  it("of a system call names its program, even if a name imitates other fields", () => {
    const name = Buffer.from("a pid=1").toString("hex").toUpperCase();
    const text = `${stamp}arch=c000003e syscall=257 success=no exit=-13 ppid=9 pid=10 auid=4294967295 uid=80001 euid=1 comm=${name} exe="/usr/bin/cat" key=(null)`;
    const call = { ...stamped, kind: "call", pid: 10, uid: 80001, parent: 9 };
    expect(parseRecord(SYSCALL, text)).toEqual({ ...call, program: "/usr/bin/cat" });
    expect(parseRecord(SYSCALL, text.replace('"/usr/bin/cat"', "(null)"))).toEqual({
      ...call,
      program: "a pid=1",
    });
  });

  it("of a filtered system call names the call", () => {
    const body = (arch: string, call: number) =>
      `${stamp}auid=1 uid=80001 gid=1 ses=1 pid=12 comm="mount" exe="/usr/bin/mount" sig=0 arch=${arch} syscall=${call} compat=0 ip=0x7f code=0x50000`;
    const filtered = { kind: "filtered", pid: 12, uid: 80001, program: "/usr/bin/mount", parent: undefined };
    expect(parseRecord(SECCOMP, body("c000003e", 165))).toMatchObject({
      ...filtered,
      blocker: "seccomp.mount",
    });
    expect(parseRecord(SECCOMP, body("c00000b7", 40))).toMatchObject({
      ...filtered,
      blocker: "seccomp.mount",
    });
    expect(parseRecord(SECCOMP, body("c000003e", 9999))).toMatchObject({
      ...filtered,
      blocker: "seccomp.9999",
    });
    expect(parseRecord(SECCOMP, body("40000003", 1))).toMatchObject({
      ...filtered,
      blocker: "seccomp.32-bit",
    });
  });

  it("of a configuration change says whether audit is on", () => {
    const text = `${stamp}op=set audit_enabled=0 old=1 auid=1 ses=1 res=1`;
    expect(parseRecord(CONFIG_CHANGE, text)).toEqual({ ...stamped, kind: "enabled", enabled: false });
    expect(parseRecord(CONFIG_CHANGE, `${stamp}op=set audit_backlog_limit=64 old=1`)).toBeUndefined();
  });

  it.each([ACCESS, DOMAIN, SYSCALL, SECCOMP, CONFIG_CHANGE, 1327])(
    "of type %i that is truncated or unknown causes no error",
    (type) => {
      const text = `${stamp}domain=1 blockers=fs.read_file path="/x" status=allocated pid=1 uid=2 syscall=3 arch=c000003e audit_enabled=1`;
      for (let length = 0; length < text.length; length += 1) parseRecord(type, text.slice(0, length));
      fc.assert(fc.property(fc.string(), (any) => void parseRecord(type, `${stamp}${any}`)));
      expect(parseRecord(type, "")).toBeUndefined();
    },
  );

  it("keeps any path, as the kernel writes it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", minLength: 1, maxLength: 200 }), (name) => {
        const path = `/${name.replaceAll("\0", "")}`;
        const plain = /^[\x21\x23-\x7e]+$/.test(path);
        const written = plain ? `"${path}"` : Buffer.from(path).toString("hex").toUpperCase();
        const record = parseRecord(
          ACCESS,
          `${stamp}domain=1 blockers=fs.read_file path=${written} dev="vda" ino=1`,
        );
        expect(record).toMatchObject({ object: Buffer.from(path).toString() });
      }),
    );
  });
});
