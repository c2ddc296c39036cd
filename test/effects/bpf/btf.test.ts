import { describe, expect, it } from "vitest";
import { KernelTypes } from "../../../src/effects/bpf/btf.ts";

/** A description of types as the kernel writes it: `linux/btf.h`. */
function btf(
  types: readonly (readonly [name: string, info: number, last: number, ...body: (number | string)[]])[],
) {
  const strings = ["", ...new Set(types.flatMap((type) => type.filter((each) => typeof each === "string")))];
  const text = Buffer.from(strings.map((string) => `${string}\0`).join(""));
  const offsetOf = (string: string) => (string === "" ? 0 : text.indexOf(`\0${string}\0`) + 1);
  const words = types.flatMap((type) =>
    type.map((each) => (typeof each === "string" ? offsetOf(each) : each)),
  );
  const section = Buffer.from(new Uint32Array(words).buffer);
  const header = Buffer.alloc(24);
  header.writeUInt16LE(0xeb9f, 0);
  header.writeUInt8(1, 2);
  header.writeUInt32LE(24, 4);
  header.writeUInt32LE(section.length, 12);
  header.writeUInt32LE(section.length, 16);
  header.writeUInt32LE(text.length, 20);
  return Buffer.concat([header, section, text]);
}

const kind = (number: number, members = 0, flag = false) =>
  ((number << 24) | members | (flag ? 0x80000000 : 0)) >>> 0;
const INT = 1;
const STRUCT = 4;
const UNION = 5;
const FUNC = 12;
const PROTO = 13;
const CONST = 10;

describe("the kernel's types", () => {
  const types = new KernelTypes(
    btf([
      /* 1 */ ["int", kind(INT), 4, 32],
      /* 2 */ ["path", kind(STRUCT, 2), 16, "mnt", 1, 0, "dentry", 1, 64],
      /* 3 */ ["", kind(CONST), 2],
      /* 4 */ ["", kind(UNION, 2), 16, "f_path", 3, 0, "__f_path", 2, 0],
      /* 5 */ ["file", kind(STRUCT, 3, true), 32, "f_mode", 1, 0x04000000, "bits", 1, 0x08000020, "", 4, 128],
      /* 6 */ ["", kind(PROTO, 2), 1, "", 1, "", 1],
      /* 7 */ ["file_open", kind(FUNC), 6],
      /* 8 */ ["file", kind(FUNC), 6],
    ]),
  );

  it("have the offset of a field, also in nested structs and nameless unions", () => {
    expect(types.offset("file.f_mode")).toBe(0);
    expect(types.offset("file.f_path.dentry")).toBe(24);
    expect(types.offset("path.mnt")).toBe(0);
  });

  it("report missing types and fields", () => {
    expect(() => types.offset("file.f_flags")).toThrow("file.f_flags");
    expect(() => types.offset("inode.i_mode")).toThrow(RangeError);
    expect(() => new KernelTypes(Buffer.from("no such description at all"))).toThrow("no BTF");
  });
});
