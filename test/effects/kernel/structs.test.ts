import { describe, expect, it } from "vitest";
import * as structs from "../../../src/effects/kernel/structs.ts";

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

describe("these structs have the kernel's layout:", () => {
  it("clone_args", () => {
    const args = view(structs.cloneArgs({ flags: 0x220000000, exitSignal: 17, cgroup: 6 }));
    expect(args.byteLength).toBe(88);
    expect(args.getBigUint64(0, true)).toBe(0x220000000n);
    expect(args.getBigUint64(32, true)).toBe(17n);
    expect(args.getBigUint64(80, true)).toBe(6n);
  });

  it("mount_attr", () => {
    expect([...structs.mountAttr(5)]).toEqual([5, ...new Array(31).fill(0)]);
    const attr = view(structs.mountAttr(0x200001, 1 << 18));
    expect([attr.getBigUint64(0, true), attr.getBigUint64(16, true)]).toEqual([0x200001n, 0x40000n]);
  });

  it("open_how", () => {
    const how = view(structs.openHow({ flags: 0x280000, mode: 0o600, resolve: 4 }));
    expect([0, 8, 16].map((at) => how.getBigUint64(at, true))).toEqual([0x280000n, 0o600n, 4n]);
    expect(how.byteLength).toBe(24);
    expect(view(structs.openHow({ flags: 1 })).getBigUint64(16, true)).toBe(0n);
  });

  it("rlimit64, with and without a limit", () => {
    const limit = view(structs.rlimit64({ soft: 1024, hard: Number.POSITIVE_INFINITY }));
    expect(limit.byteLength).toBe(16);
    expect(limit.getBigUint64(0, true)).toBe(1024n);
    expect(limit.getBigUint64(8, true)).toBe(2n ** 64n - 1n);
  });

  it("gid_t arrays", () => {
    expect([...structs.groupList([1, 0x01020304])]).toEqual([1, 0, 0, 0, 4, 3, 2, 1]);
    expect(structs.groupList([])).toHaveLength(0);
  });

  it("ifreq with flags", () => {
    const request = structs.interfaceFlags("lo", 0x41);
    expect(request).toHaveLength(40);
    expect(new TextDecoder().decode(request.subarray(0, 3))).toBe("lo\0");
    expect(view(request).getInt16(16, true)).toBe(0x41);
  });

  it("capability sets", () => {
    expect(view(structs.capabilityHeader()).getUint32(0, true)).toBe(0x20080522);
    const sets = { effective: 1n << 40n, permitted: (1n << 40n) | 2n, inheritable: 0xffffffffn };
    const data = new Uint32Array(structs.capabilityData(sets).buffer);
    // The low halves of the three sets, then the high halves.
    expect([...data]).toEqual([0, 2, 0xffffffff, 256, 256, 0]);
  });

  it("winsize and pollfd", () => {
    expect([...structs.windowSize(0x0102, 3)]).toEqual([2, 1, 3, 0, 0, 0, 0, 0]);
    expect([...structs.pollDescriptor(0x0102, 4)]).toEqual([2, 1, 0, 0, 4, 0, 0, 0]);
  });
});
