import { describe, expect, it } from "vitest";
import { isIn, MountTable, placeOf, placeOfRoot } from "../../../src/effects/paths/mountTable.ts";

const table = new MountTable(`20 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw
21 20 0:5 / /dev rw shared:2 - devtmpfs udev rw
22 20 8:2 /volumes/opt /opt rw - xfs /dev/sda2 rw
23 22 8:1 /srv /opt/nomad\\040data rw - ext4 /dev/sda1 rw
24 20 0:9 / /opt-other rw - tmpfs none rw
`);
const mount = (id: number) => table.byId(id) ?? expect.fail(`no mount ${id}`);

describe("the place of a path", () => {
  it.each([
    ["/etc/hosts", 20, { device: "8:1", path: "/etc/hosts" }],
    ["/", 20, { device: "8:1", path: "/" }],
    ["/opt", 22, { device: "8:2", path: "/volumes/opt" }],
    ["/opt/bin/tool", 22, { device: "8:2", path: "/volumes/opt/bin/tool" }],
    ["/opt/nomad data/x", 23, { device: "8:1", path: "/srv/x" }],
    ["/dev/sda", 21, { device: "0:5", path: "/sda" }],
    ["/dev", 21, { device: "0:5", path: "/" }],
    ["/somewhere/else", 22, { device: "8:2", path: "/volumes/opt" }],
  ])("%s in mount %i is in its file system", (path, id, place) => {
    expect(placeOf(path, mount(id))).toEqual(place);
  });

  it("is the same by each of its paths", () => {
    const one = placeOf("/srv/x", mount(20));
    const other = placeOf("/opt/nomad data/x", mount(23));
    expect([
      isIn(one, other),
      isIn(other, placeOfRoot(mount(20))),
      isIn(placeOfRoot(mount(24)), one),
    ]).toEqual([true, true, false]);
  });
});

it.each([
  ["/opt", [22, 23]],
  ["/", [20, 21, 22, 23, 24]],
  ["/opt/nomad data", [23]],
  ["/op", []],
  ["/opt/nomad", []],
])("the mounts at or below %s are found", (folder, ids) => {
  expect(
    table
      .atOrBelow(folder)
      .map(({ id }) => id)
      .toSorted(),
  ).toEqual(ids);
});
