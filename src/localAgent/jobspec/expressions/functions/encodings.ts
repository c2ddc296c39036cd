/** HCL2's functions for encodings and hashes. Pure. */

import { createHash } from "node:crypto";
import { parseJsonOrNothing } from "../../../../base/json.ts";
import { uuidV5 } from "../../../../base/uuid.ts";
import { mapOf, type Value } from "../values.ts";
import { anything, type Functions, fail, takes, text } from "./define.ts";
import { toJson } from "./goFormat.ts";

export const encodingFunctions: Functions = {
  base64decode: takes([text], base64decode),
  base64encode: takes([text], (value) => Buffer.from(value).toString("base64")),
  bcrypt: () =>
    fail(
      "a local run does not compute it, because each result has a new salt. Give the hash as a variable",
      "lacking",
    ),
  csvdecode: takes([text], csvdecode),
  jsondecode: takes([text], (value) => {
    const decoded = parseJsonOrNothing(value);
    return decoded === undefined ? fail("its text is not JSON") : (decoded as Value);
  }),
  jsonencode: takes([anything], toJson),
  md5: takes([text], (value) => hashOf("md5", value)),
  rsadecrypt: () => fail("a local run cannot decrypt. Give the decrypted text as a variable", "lacking"),
  sha1: takes([text], (value) => hashOf("sha1", value)),
  sha256: takes([text], (value) => hashOf("sha256", value)),
  sha512: takes([text], (value) => hashOf("sha512", value)),
  urlencode: takes([text], urlencode),
  uuidv5: takes([text, text], uuidv5),
  yamldecode: () => fail("a local run cannot read YAML. Use jsondecode for JSON", "lacking"),
  yamlencode: () => fail("a local run cannot write YAML. Use jsonencode: JSON is also valid YAML", "lacking"),
};

function hashOf(algorithm: string, value: string | Buffer): string {
  return createHash(algorithm).update(value).digest("hex");
}

/** @throws TemplateError for a text that is not base64, or whose bytes are not UTF-8 */
function base64decode(value: string): string {
  if (!/^(?:[A-Za-z\d+/]{4})*(?:[A-Za-z\d+/]{2}==|[A-Za-z\d+/]{3}=)?$/.test(value))
    fail("its text is not base64");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(value, "base64"));
  } catch {
    return fail("the bytes in its text are not UTF-8");
  }
}

/** Encodes text for the query of a URL, in which a space becomes a plus sign. */
function urlencode(value: string): string {
  const reserved = /[^\w.~-]/gu;
  return value.replaceAll(reserved, (character) =>
    character === " "
      ? "+"
      : [...Buffer.from(character)]
          .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`)
          .join(""),
  );
}

/** The namespaces of RFC 9562, section 6.6. */
const namespaces: Readonly<Record<string, string>> = Object.fromEntries(
  ["dns", "url", "oid", "", "x500"].map((name, index) => [
    name,
    `6ba7b81${index}-9dad-11d1-80b4-00c04fd430c8`,
  ]),
);

function uuidv5(namespace: string, name: string): string {
  const id = (namespace && namespaces[namespace]) || namespace;
  if (!/^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i.test(id))
    fail("its namespace must be dns, url, oid, x500 or a UUID");
  return uuidV5(id, name);
}

/** Parses CSV as in RFC 4180. The first line has the names of the columns. */
function csvdecode(source: string): Value {
  const rows = csvRows(source);
  const [names = []] = rows;
  if (new Set(names).size < names.length) fail("two of its columns have the same name");
  return rows.slice(1).map((row, index) => {
    if (row.length !== names.length) fail(`row ${index + 2} has ${row.length} columns, not ${names.length}`);
    return mapOf(names.map((name, column) => [name, row[column] ?? ""]));
  });
}

function csvRows(source: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y;
  while (field.lastIndex < source.length) {
    const found = field.exec(source);
    if (found === null)
      return fail(`row ${rows.length + 1} has a misplaced quote, or one that is not closed`);
    const [, quoted, plain = "", end] = found;
    row.push(quoted?.replaceAll('""', '"') ?? plain);
    if (end === "," && field.lastIndex < source.length) continue;
    if (end === ",") row.push("");
    // Empty lines are skipped.
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
  }
  return rows;
}
