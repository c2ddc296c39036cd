# The plan runner for x86-64: executes the table of a launch plan (table.ts).
#
# It inherits the table as descriptor 3 and the report pipe as descriptor 4. It reads the table's first two
# parts into fixed addresses of its own memory. Then it executes one entry after another, and does nothing
# else.
#
# If a call fails and its entry does not handle the error, the runner reports 16 bytes (the entry's address
# and the errno) and exits.
#
# An address below the table's is not an entry's but the logger's, which takes over the process. loggerX86.s
# has its code.
#
#   as -I src/effects/plan -o runner.o runnerX86.s && objcopy -O binary -j .text runner.o runner

        .set    TABLE_ADDRESS, 0x10000000
        .set    TABLE_BYTES, 0x400000
        .set    EARLY_ADDRESS, 0x10010000
        .set    EARLY_BYTES, 0x20000
        .set    KEPT_BYTES, 0x1000
        .set    CODE_ADDRESS, 0x400000
        .set    LOGGER_OFFSET, 0x180

        .set    SYS_read, 0
        .set    SYS_write, 1
        .set    SYS_mmap, 9
        .set    SYS_madvise, 28
        .set    SYS_exit_group, 231
        .set    PROT_READ_WRITE, 3
        .set    MAP_PRIVATE_FIXED_ANONYMOUS, 0x32
        .set    MADV_NOHUGEPAGE, 15
        .set    LARGEST_ERRNO, 4095

        # Offsets in an entry.
        .set    CALL, 0
        .set    ARGUMENT, 8
        .set    MATCH, 56
        .set    ON_MATCH, 64
        .set    ON_ERROR, 72
        .set    NEXT, 80

        .intel_syntax noprefix
        .text
start:
        # ELF header: elf(5). One segment, readable and executable, holds all of the file.
        .byte   0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0
        .short  2, 62                   # ET_EXEC, EM_X86_64
        .long   1
        .quad   CODE_ADDRESS + entry - start
        .quad   segment - start
        .quad   0
        .long   0
        .short  64, 56, 1, 0, 0, 0
segment:
        .long   1, 5                    # PT_LOAD, PF_R | PF_X
        .quad   0, CODE_ADDRESS, CODE_ADDRESS
        .quad   end - start, end - start
        .quad   0x1000

entry:
        mov     eax, SYS_mmap
        mov     edi, TABLE_ADDRESS
        mov     esi, TABLE_BYTES
        mov     edx, PROT_READ_WRITE
        mov     r10d, MAP_PRIVATE_FIXED_ANONYMOUS
        mov     r8, -1
        xor     r9d, r9d
        syscall

        # Without this call, the first write may take a huge page of 2 MiB, which is charged to the task. The
        # call fails only if the kernel has no huge pages.
        mov     eax, SYS_madvise
        mov     edi, TABLE_ADDRESS
        mov     esi, TABLE_BYTES
        mov     edx, MADV_NOHUGEPAGE
        syscall

        xor     eax, eax                # SYS_read
        mov     edi, 3
        mov     esi, TABLE_ADDRESS
        mov     edx, KEPT_BYTES
        syscall

        xor     eax, eax                # SYS_read
        mov     edi, 3
        mov     esi, EARLY_ADDRESS
        mov     edx, EARLY_BYTES
        syscall

        mov     ebx, EARLY_ADDRESS
run:
        cmp     rbx, TABLE_ADDRESS
        jb      leave
        mov     rax, [rbx + CALL]
        mov     rdi, [rbx + ARGUMENT]
        mov     rsi, [rbx + ARGUMENT + 8]
        mov     rdx, [rbx + ARGUMENT + 16]
        mov     r10, [rbx + ARGUMENT + 24]
        mov     r8, [rbx + ARGUMENT + 32]
        mov     r9, [rbx + ARGUMENT + 40]
        syscall

        cmp     rax, [rbx + MATCH]
        je      matched
        cmp     rax, -LARGEST_ERRNO
        jae     failed
        mov     rbx, [rbx + NEXT]
        jmp     run
matched:
        mov     rbx, [rbx + ON_MATCH]
        jmp     run
failed:
        mov     rcx, [rbx + ON_ERROR]
        test    rcx, rcx
        jz      report
        mov     rbx, rcx
        jmp     run
report:
        neg     rax
        push    rax
        push    rbx
        mov     eax, SYS_write
        mov     edi, 4
        mov     rsi, rsp
        mov     edx, 16
        syscall
        mov     eax, SYS_exit_group
        mov     edi, 127
        syscall
leave:
        jmp     rbx

        .org    LOGGER_OFFSET
        .include "loggerX86.s"
end:
