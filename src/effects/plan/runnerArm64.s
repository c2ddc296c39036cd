// The plan runner for arm64. It does the same as runnerX86.s, whose first comment explains the runner.
//
//   as -I src/effects/plan -o runner.o runnerArm64.s && objcopy -O binary -j .text runner.o runner

        .set    TABLE_ADDRESS, 0x10000000
        .set    TABLE_BYTES, 0x400000
        .set    EARLY_ADDRESS, 0x10010000
        .set    EARLY_BYTES, 0x20000
        .set    KEPT_BYTES, 0x1000
        .set    CODE_ADDRESS, 0x400000
        .set    LOGGER_OFFSET, 0x180

        .set    SYS_read, 63
        .set    SYS_write, 64
        .set    SYS_exit_group, 94
        .set    SYS_mmap, 222
        .set    SYS_madvise, 233
        .set    PROT_READ_WRITE, 3
        .set    MAP_PRIVATE_FIXED_ANONYMOUS, 0x32
        .set    MADV_NOHUGEPAGE, 15
        .set    LARGEST_ERRNO, 4095

        // Offsets in an entry.
        .set    CALL, 0
        .set    ARGUMENT, 8
        .set    MATCH, 56
        .set    ON_MATCH, 64
        .set    ON_ERROR, 72
        .set    NEXT, 80

        .text
start:
        // ELF header: elf(5). One segment, readable and executable, holds all of the file.
        .byte   0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0
        .hword  2, 183                  // ET_EXEC, EM_AARCH64
        .word   1
        .xword  CODE_ADDRESS + entry - start
        .xword  segment - start
        .xword  0
        .word   0
        .hword  64, 56, 1, 0, 0, 0
segment:
        .word   1, 5                    // PT_LOAD, PF_R | PF_X
        .xword  0, CODE_ADDRESS, CODE_ADDRESS
        .xword  end - start, end - start
        .xword  0x10000

entry:
        mov     x8, SYS_mmap
        mov     x0, TABLE_ADDRESS
        mov     x1, TABLE_BYTES
        mov     x2, PROT_READ_WRITE
        mov     x3, MAP_PRIVATE_FIXED_ANONYMOUS
        mov     x4, -1
        mov     x5, 0
        svc     0

        mov     x8, SYS_madvise
        mov     x0, TABLE_ADDRESS
        mov     x1, TABLE_BYTES
        mov     x2, MADV_NOHUGEPAGE
        svc     0

        mov     x8, SYS_read
        mov     x0, 3
        mov     x1, TABLE_ADDRESS
        mov     x2, KEPT_BYTES
        svc     0

        mov     x8, SYS_read
        mov     x0, 3
        mov     x1, EARLY_ADDRESS
        mov     x2, EARLY_BYTES
        svc     0

        mov     x19, EARLY_ADDRESS
        mov     x20, TABLE_ADDRESS
run:
        cmp     x19, x20
        b.lo    leave
        ldr     x8, [x19, CALL]
        ldp     x0, x1, [x19, ARGUMENT]
        ldp     x2, x3, [x19, ARGUMENT + 16]
        ldp     x4, x5, [x19, ARGUMENT + 32]
        svc     0

        ldr     x9, [x19, MATCH]
        cmp     x0, x9
        b.eq    matched
        cmn     x0, LARGEST_ERRNO
        b.hs    failed
        ldr     x19, [x19, NEXT]
        b       run
matched:
        ldr     x19, [x19, ON_MATCH]
        b       run
failed:
        ldr     x9, [x19, ON_ERROR]
        cbz     x9, report
        mov     x19, x9
        b       run
report:
        neg     x0, x0
        stp     x19, x0, [sp, -16]!
        mov     x8, SYS_write
        mov     x0, 4
        mov     x1, sp
        mov     x2, 16
        svc     0
        mov     x8, SYS_exit_group
        mov     x0, 127
        svc     0
leave:
        br      x19

        .org    LOGGER_OFFSET
        .include "loggerArm64.s"
end:
