/** Converts mounts and devices of Nomad's TaskConfig to the driver's own types. Pure. */
import type { Propagation, TaskDevice, TaskMount } from "../../config/task/taskRequest.ts";
import { DriverError } from "../../errors.ts";
import type { Device, Mount } from "../generated/nomad/driver.ts";

/** @throws DriverError `UNSUPPORTED` for a mount with properties that the driver does not support */
export function mountOf(mount: Mount): TaskMount {
  const { taskPath, hostPath, readonly: readOnly, selinuxLabel } = mount;
  if (selinuxLabel !== "") {
    throw new DriverError(
      "UNSUPPORTED",
      `the mount ${taskPath} asks for the SELinux label "${selinuxLabel}"`,
      {
        hint: "The driver relabels no files: label them on the host, and leave selinux_label out",
      },
    );
  }
  return { source: hostPath, target: taskPath, readOnly, propagation: propagationOf(mount) };
}

/** @throws DriverError `CONFIG_INVALID` for invalid permissions */
export function deviceOf({ taskPath, hostPath, cgroupPermissions }: Device): TaskDevice {
  if (!/^[rwm]+$/.test(cgroupPermissions) || cgroupPermissions === "m") {
    throw new DriverError(
      "CONFIG_INVALID",
      `the device ${taskPath} has the permissions ${JSON.stringify(cgroupPermissions)}`,
      { hint: "The device plugin has to give r, w or both (and m, which changes nothing here)" },
    );
  }
  return {
    source: hostPath,
    target: taskPath,
    read: cgroupPermissions.includes("r"),
    write: cgroupPermissions.includes("w"),
  };
}

/** Old agents leave the mode empty for `private`. */
function propagationOf({ propagationMode, taskPath }: Mount): Propagation {
  switch (propagationMode) {
    case "":
    case "private":
      return "private";
    case "host-to-task":
      return "host-to-task";
    case "bidirectional":
      throw new DriverError("UNSUPPORTED", `the mount ${taskPath} asks for bidirectional propagation`, {
        hint: "Landlock lets no task mount anything, so nothing could reach the host: use host-to-task",
      });
    default:
      throw new DriverError(
        "UNSUPPORTED",
        `the mount ${taskPath} asks for the propagation mode "${propagationMode}"`,
        {
          hint: "The driver knows private and host-to-task",
        },
      );
  }
}
