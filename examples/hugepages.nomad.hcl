# A limit of huge pages: the task reserves 2 MiB of them, and is refused 4 MiB.
#
#   sysctl vm.nr_hugepages=4
#   nomad-driver-exec2 run examples/hugepages.nomad.hcl
#   sysctl vm.nr_hugepages=0
#
# Without free huge pages on the host, both are refused. Where the task's cgroup has no controller "hugetlb", the start is
# refused with CGROUP_UNSUPPORTED.

job "hugepages" {
  type = "batch"

  group "hugepages" {
    task "reserve" {
      driver = "exec2"

      config {
        command = "perl"

        # mmap(2) of x86-64 with MAP_HUGETLB.
        args = ["-e", "for (2, 4) { my $at = syscall(9, 0, $_ << 20, 3, 0x40022, -1, 0); print $_, ' MiB: ', $at == -1 ? $! : 'reserved', chr(10) }"]

        hugepages = { "2MB" = 2 }
      }

      resources {
        cpu    = 100
        memory = 32
      }
    }
  }
}
