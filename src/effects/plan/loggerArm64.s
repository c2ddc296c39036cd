// The logger for arm64. It does the same as loggerX86.s, which explains it, with the same names.
//
// x19: the stream; x20: what poll said of its pipe; x21: length of a chunk; x22: size of the file, then the
// bytes to write; x23: what still fits; x24: address of the bytes to write; x25: the stream's times; x27: BUFFER;
// x28: STATE.

        .set    STATE, 0x10000a00
        .set    STDERR, 128
        .set    HELD, 264
        .set    MAX_FILE_SIZE, 272
        .set    POLLED, 280
        .set    TIME, 296
        .set    NEW_CAPACITY, 312
        .set    TIMES, 976
        .set    MAX_FILES, 1072
        .set    BYTE_TIME, 1080
        .set    DUE, 1088
        .set    ROUND_DUE, 1096

        .set    INDEX, 0
        .set    FINISHED, 8
        .set    BEGIN, 16
        .set    END, 24
        .set    LOST, 32
        .set    ERRNO, 40
        .set    FILES, 48
        .set    ENDED, 56
        .set    PENDING, 64
        .set    RETRY_AT, 72
        .set    FILE, 80
        .set    WANTED, 88
        .set    COPIES, 96
        .set    NAME, 104
        .set    DIGITS, 112
        .set    LOSES, 120

        .set    TIMES_FILE, 0
        .set    CAPACITY, 8
        .set    RECENT, 16
        .set    OLDER, 24
        .set    OLDER_AT, 32
        .set    NOTED, 40
        .set    HEAD_BYTES, 32
        .set    HEAD_ENTRIES, 2
        .set    OLDER_BYTES, 4096
        .set    MAX_CAPACITY, 4096

        .set    FOLDER, 2
        .set    RECORD, 5
        .set    STATE_AT, 256
        .set    STATE_BYTES, 272

        .set    BUFFER, EARLY_ADDRESS
        .set    TAIL, 0x8000
        .set    SPLICE_BYTES, 0x100000
        .set    NOTICE_BYTES, 128
        .set    MAX_TRIES, 64
        .set    SECOND, 1000000000
        .set    ROUND, 122000

        .set    SYS_ioctl, 29
        .set    SYS_unlinkat, 35
        .set    SYS_ftruncate, 46
        .set    SYS_openat, 56
        .set    SYS_close, 57
        .set    SYS_pipe2, 59
        .set    SYS_lseek, 62
        .set    SYS_pread64, 67
        .set    SYS_pwrite64, 68
        .set    SYS_ppoll, 73
        .set    SYS_splice, 76
        .set    SYS_tee, 77
        .set    SYS_fstat, 80
        .set    SYS_nanosleep, 101
        .set    SYS_clock_gettime, 113
        .set    SYS_clock_nanosleep, 115

        .set    MADV_DONTNEED, 4
        .set    SEEK_END, 2
        .set    CLOCK_REALTIME, 0
        .set    CLOCK_MONOTONIC, 1
        .set    TIMER_ABSTIME, 1
        .set    POLLHUP_BIT, 4
        .set    FIONREAD, 0x541b
        .set    AT_REMOVEDIR, 0x200
        .set    SPLICE_MOVE_NONBLOCK, 3
        .set    SPLICE_F_NONBLOCK, 2
        .set    O_NONBLOCK_CLOEXEC, 0x80800
        .set    O_CREATE_NEW, 0x880c2   // O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW, O_CLOEXEC
        .set    O_EXISTING, 0x88802     // O_RDWR, O_NOFOLLOW, O_NONBLOCK, O_CLOEXEC
        .set    S_IFMT, 0xf000
        .set    S_IFREG, 0x8000
        .set    EINTR, 4
        .set    EAGAIN, 11
        .set    EEXIST, 17
        .set    EINVAL, 22
        .set    ENODATA, 61

        .macro  enter
        stp     x29, x30, [sp, -16]!
        .endm
        .macro  return
        ldp     x29, x30, [sp], 16
        ret
        .endm
        // A constant of up to 32 bits.
        .macro  const register, value
        movz    \register, (\value) & 0xffff
        movk    \register, (\value) >> 16, lsl 16
        .endm

logger:
        const   x27, BUFFER
        const   x28, STATE
        bl      free_buffer
        mov     x19, x28
        bl      open_first
        add     x19, x28, STDERR
        bl      open_first
        bl      save
wait:
        mov     x2, 0
        ldr     x9, [x28, LOSES]
        ldr     x10, [x28, STDERR + LOSES]
        orr     x9, x9, x10
        cbz     x9, poll
        mov     x9, 1
        str     x9, [x28, TIME]
        str     xzr, [x28, TIME + 8]
        add     x2, x28, TIME
poll:
        mov     x8, SYS_ppoll
        add     x0, x28, POLLED
        mov     x1, 2
        mov     x3, 0
        mov     x4, 0
        svc     0
        bl      pace
        mov     x19, x28
        ldrh    w20, [x28, POLLED + 6]
        bl      move_output
        add     x19, x28, STDERR
        ldrh    w20, [x28, POLLED + 14]
        bl      move_output
        ldr     x9, [x28, ENDED]
        ldr     x10, [x28, STDERR + ENDED]
        and     x9, x9, x10
        cbz     x9, wait
        mov     x8, SYS_exit_group
        mov     x0, 0
        svc     0

pace:
        enter
        ldr     x9, [x28, BYTE_TIME]
        cbz     x9, nothing
        bl      now
        const   x10, SECOND
        ldr     x9, [x28, TIME + 8]
        madd    x9, x0, x10, x9
        mov     x26, x9
        sub     x11, x9, x10
        ldr     x12, [x28, ROUND_DUE]
        cmp     x12, x11
        csel    x12, x11, x12, lt
        const   x10, ROUND
        add     x12, x12, x10
        str     x12, [x28, ROUND_DUE]
        ldr     x12, [x28, DUE]
        cmp     x12, x11
        csel    x12, x11, x12, lt
        str     x12, [x28, DUE]
        cmp     x12, x9
        b.le    later
        ldr     x9, [x28, HELD]
        cbnz    x9, later
        mov     x9, 1
        str     x9, [x28, HELD]
        mov     x19, x28
        bl      save
later:
        ldr     x9, [x28, DUE]
        ldr     x12, [x28, ROUND_DUE]
        cmp     x9, x12
        csel    x9, x12, x9, lt
        cmp     x9, x26
        b.le    nothing
        const   x10, SECOND
        udiv    x11, x9, x10
        msub    x9, x11, x10, x9
        str     x11, [x28, TIME]
        str     x9, [x28, TIME + 8]
        mov     x8, SYS_clock_nanosleep
        mov     x0, CLOCK_MONOTONIC
        mov     x1, TIMER_ABSTIME
        add     x2, x28, TIME
        mov     x3, 0
        svc     0
        return

// Counts the x0 bytes that were taken out of a pipe; keeps x0.
count:
        ldr     x9, [x28, BYTE_TIME]
        mul     x9, x9, x0
        ldr     x10, [x28, DUE]
        add     x10, x10, x9, lsr 16
        str     x10, [x28, DUE]
        ret

move_output:
        enter
        ldr     x9, [x19, ENDED]
        cbnz    x9, nothing
        ldr     x9, [x19, LOSES]
        cbz     x9, keep
        bl      now
        ldr     x9, [x19, RETRY_AT]
        cmp     x0, x9
        b.lt    discard
        bl      repair
        cbz     x0, keep
discard:
        cbz     w20, nothing
        mov     x2, TAIL
        bl      read_pipe
        cmp     x0, 0
        b.le    nothing_read
        ldr     x9, [x19, LOST]
        add     x9, x9, x0
        str     x9, [x19, LOST]
        ldr     x9, [x19, PENDING]
        add     x9, x9, x0
        str     x9, [x19, PENDING]
        return
keep:
        cbz     w20, nothing
        bl      seek_end
        mov     x22, x0
        ldr     x23, [x28, MAX_FILE_SIZE]
        subs    x23, x23, x0
        b.gt    fits
        bl      next_file
        cbnz    x0, discard
        b       keep
fits:
        bl      note_time
        ldr     x9, [x19, COPIES]
        cbnz    x9, copy
        mov     x21, 0
        cmp     x23, TAIL
        b.gt    far
        mov     x8, SYS_ioctl
        bl      pipe_of_stream
        mov     x1, FIONREAD
        add     x2, x28, TIME
        svc     0
        ldr     w9, [x28, TIME]
        cmp     x9, x23
        b.ge    peek
        cmp     x9, 1
        csinc   x23, x9, xzr, hs
        b       move
far:
        sub     x23, x23, TAIL
        mov     x9, SPLICE_BYTES
        cmp     x23, x9
        csel    x23, x9, x23, hi
move:
        bl      pipe_of_stream
        mov     x1, 0
        ldr     w2, [x19, FILE]
        mov     x3, 0
        mov     x4, x23
        mov     x5, SPLICE_MOVE_NONBLOCK
        mov     x8, SYS_splice
        svc     0
        cmp     x0, 0
        b.gt    moved
        b.eq    nothing_read
        cmn     x0, EAGAIN
        b.eq    nothing
        cmn     x0, EINTR
        b.eq    nothing
        cmn     x0, EINVAL
        b.eq    no_splice
        neg     x0, x0
        mov     x1, 0
        bl      lose
        b       discard
no_splice:
        mov     x9, 1
        str     x9, [x19, COPIES]
        b       keep
moved:
        bl      count
        cmp     x21, x23
        b.le    nothing
        cmp     x0, x23
        b.ne    nothing
begin_next:
        bl      next_file
        bl      free_buffer
nothing:
        return

nothing_read:
        cmn     x0, EAGAIN
        b.eq    nothing
        cmn     x0, EINTR
        b.eq    nothing
        cmn     x0, ENODATA
        b.eq    no_data
        cbnz    x0, pause
no_data:
        tbnz    w20, POLLHUP_BIT, end_stream
pause:
        str     xzr, [x28, TIME]
        const   x9, 10000000
        str     x9, [x28, TIME + 8]
        mov     x8, SYS_nanosleep
        add     x0, x28, TIME
        mov     x1, 0
        svc     0
        return

end_stream:
        ldr     x9, [x19, LOSES]
        cbz     x9, ended
        bl      repair
ended:
        mov     x9, 1
        str     x9, [x19, ENDED]
        bl      pipe_of_stream
        add     x9, x28, x0, lsl 3
        mov     w10, -1
        str     w10, [x9, POLLED]
        bl      save
        return

peek:
        mov     x8, SYS_pipe2
        add     x0, x28, TIME
        const   x1, O_NONBLOCK_CLOEXEC
        svc     0
        cbnz    x0, copy
        mov     x8, SYS_tee
        bl      pipe_of_stream
        ldr     w1, [x28, TIME + 4]
        mov     x2, x23
        mov     x3, SPLICE_F_NONBLOCK
        svc     0
        mov     x8, SYS_read
        ldr     w0, [x28, TIME]
        mov     x1, x27
        mov     x2, TAIL
        svc     0
        mov     x24, x0
        mov     x8, SYS_close
        ldr     w0, [x28, TIME]
        svc     0
        mov     x8, SYS_close
        ldr     w0, [x28, TIME + 4]
        svc     0
        cmp     x24, 0
        b.le    copy
        mov     x21, x24                // x24: not 0
        cmp     x21, x23
        b.eq    find_line
        mov     x23, x21
        b       move

copy:
        mov     x2, TAIL
        cmp     x23, x2
        csel    x2, x23, x2, lt
        bl      read_pipe
        cmp     x0, 0
        b.le    nothing_read
        mov     x21, x0
        mov     x24, 0
        cmp     x0, x23
        b.ne    uncut
find_line:
        add     x9, x27, x23
        ldurb   w9, [x9, -1]
        cmp     w9, '\n'
        b.eq    cut
        subs    x23, x23, 1
        b.ne    find_line
        cbz     x22, uncut
        mov     x8, SYS_pread64
        ldr     w0, [x19, FILE]
        add     x1, x28, TIME
        mov     x2, 1
        sub     x3, x22, 1
        svc     0
        ldrb    w9, [x28, TIME]
        cmp     w9, '\n'
        b.eq    cut
uncut:
        mov     x23, x21
cut:
        cbnz    x24, cut_pipe
        mov     x24, x27
        mov     x22, x23
        bl      write_file
        subs    x22, x21, x23
        b.eq    nothing
        ldr     x9, [x19, LOSES]
        cbnz    x9, lose_rest
        bl      next_file
        cbnz    x0, lose_rest
        add     x24, x27, x23
        bl      write_file
        bl      free_buffer
        return
cut_pipe:
        cbnz    x23, move
        b       begin_next
lose_rest:
        ldr     x0, [x19, ERRNO]
        mov     x1, x22
        bl      lose
        return

write_file:
        enter
write_more:
        cbz     x22, nothing
        mov     x8, SYS_write
        ldr     w0, [x19, FILE]
        mov     x1, x24
        mov     x2, x22
        svc     0
        cmn     x0, EINTR
        b.eq    write_more
        cmp     x0, 0
        b.le    not_written
        add     x24, x24, x0
        sub     x22, x22, x0
        b       write_more
not_written:
        neg     x0, x0
        mov     x1, x22
        bl      lose
        return

// Counts x1 bytes as lost for the error x0.
lose:
        enter
        ldr     x9, [x19, LOST]
        add     x9, x9, x1
        str     x9, [x19, LOST]
        ldr     x9, [x19, PENDING]
        add     x9, x9, x1
        str     x9, [x19, PENDING]
        str     x0, [x19, ERRNO]
        mov     x9, 1
        str     x9, [x19, LOSES]
        bl      now
        add     x0, x0, 1
        str     x0, [x19, RETRY_AT]
        bl      save
        return

repair:
        enter
        ldr     w9, [x19, FILE]
        tbz     w9, 31, has_file
        bl      create
        cbnz    x0, nothing
has_file:
        ldr     x9, [x19, PENDING]
        cbz     x9, repaired
        bl      seek_end
        mov     x22, x0
        add     x0, x0, NOTICE_BYTES
        ldr     x9, [x28, MAX_FILE_SIZE]
        cmp     x0, x9
        b.le    notice
        bl      next_file
        cbnz    x0, nothing
        mov     x22, 0
notice:
        mov     x5, x27
        adr     x6, notice_begin
        adr     x7, notice_middle
        bl      append
        ldr     x0, [x19, PENDING]
        bl      decimal
        adr     x6, notice_middle
        adr     x7, notice_end
        bl      append
        ldr     x0, [x19, ERRNO]
        bl      decimal
        mov     w9, 0x0a5d              // "]\n"
        strh    w9, [x5], 2
        sub     x23, x5, x27
        mov     x8, SYS_write
        ldr     w0, [x19, FILE]
        mov     x1, x27
        mov     x2, x23
        svc     0
        cmp     x0, x23
        b.eq    repaired
        mov     x23, x0
        mov     x8, SYS_ftruncate
        ldr     w0, [x19, FILE]
        mov     x1, x22
        svc     0
        ldr     x0, [x19, ERRNO]
        tbz     x23, 63, not_repaired
        neg     x0, x23
not_repaired:
        mov     x1, 0
        bl      lose
        mov     x0, -1
        return
repaired:
        str     xzr, [x19, LOSES]
        str     xzr, [x19, PENDING]
        bl      free_buffer
        bl      save
        mov     x0, 0
        return

// Appends the bytes from x6 to x7 to x5, which it moves on.
append:
        ldrb    w9, [x6], 1
        strb    w9, [x5], 1
        cmp     x6, x7
        b.ne    append
        ret

open_first:
        enter
        ldr     x0, [x19, INDEX]
        bl      set_index
        mov     x8, SYS_openat
        mov     x0, FOLDER
        ldr     x1, [x19, NAME]
        const   x2, O_EXISTING
        mov     x3, 0
        svc     0
        tbnz    x0, 63, create_first
        str     x0, [x19, FILE]
        bl      is_own
        b.ne    unfit
        ldr     x9, [x19, BEGIN]
        cmn     x9, 1
        b.ne    has_begin
        ldr     x9, [x27, 48]           // st_size
        str     x9, [x19, BEGIN]
has_begin:
        bl      open_times
        return
unfit:
        mov     x8, SYS_close
        ldr     w0, [x19, FILE]
        svc     0
        mov     x9, -1
        str     x9, [x19, FILE]
create_first:
        bl      create
        return

// Looks at the file x0. The flags say whether it is a regular one of root's with one link.
is_own:
        mov     x8, SYS_fstat
        mov     x1, x27
        svc     0
        ldr     w9, [x27, 16]           // st_mode
        and     w9, w9, S_IFMT
        mov     w10, S_IFREG
        cmp     w9, w10
        b.ne    looked
        ldr     w9, [x27, 24]           // st_uid
        cmp     w9, 0
        b.ne    looked
        ldr     w9, [x27, 20]           // st_nlink
        cmp     w9, 1
looked:
        ret

next_file:
        mov     x13, x30
        bl      seek_end
        mov     x30, x13
        ldr     x9, [x19, BEGIN]
        subs    x0, x0, x9
        b.le    truncated
        ldr     x9, [x19, FINISHED]
        add     x9, x9, x0
        str     x9, [x19, FINISHED]
truncated:
        mov     x8, SYS_close
        ldr     w0, [x19, FILE]
        svc     0
        mov     x9, -1
        str     x9, [x19, FILE]
        ldr     x9, [x19, INDEX]
        add     x9, x9, 1
        str     x9, [x19, WANTED]
        // Falls through.

create:
        enter
        mov     x11, MAX_TRIES
        mov     x12, 0
try:
        ldr     x0, [x19, WANTED]
        bl      set_index
        mov     x8, SYS_openat
        mov     x0, FOLDER
        ldr     x1, [x19, NAME]
        const   x2, O_CREATE_NEW
        mov     x3, 0644
        svc     0
        tbz     x0, 63, created
        cmn     x0, EEXIST
        b.ne    not_created
        subs    x11, x11, 1
        b.eq    not_created
        eor     x12, x12, 1
        cbz     x12, skip
        mov     x2, 0
        bl      remove
        mov     x2, AT_REMOVEDIR
        bl      remove
        b       try
skip:
        bl      prune
        ldr     x9, [x19, WANTED]
        add     x9, x9, 1
        str     x9, [x19, WANTED]
        b       try
not_created:
        neg     x0, x0
        mov     x1, 0
        bl      lose
        mov     x0, -1
        return
created:
        str     x0, [x19, FILE]
        ldr     x9, [x19, WANTED]
        str     x9, [x19, INDEX]
        str     xzr, [x19, BEGIN]
        ldr     x9, [x19, FILES]
        add     x9, x9, 1
        str     x9, [x19, FILES]
        bl      prune
        bl      new_times
        bl      save
        mov     x0, 0
        return

prune:
        enter
        ldr     x0, [x19, WANTED]
        ldr     x9, [x28, MAX_FILES]
        subs    x0, x0, x9
        b.mi    nothing
        bl      set_index
        mov     x2, 0
        bl      remove
        ldr     x0, [x19, WANTED]
        ldr     x9, [x28, MAX_FILES]
        sub     x0, x0, x9
        bl      remove_times
        return

// Removes the times of the file with the index x0, and leaves their name for the next call.
remove_times:
        enter
        bl      set_times_index
        mov     x8, SYS_unlinkat
        mov     x0, FOLDER
        ldr     x1, [x19, NAME]
        sub     x1, x1, 1
        mov     x2, 0
        svc     0
        return

remove:
        mov     x8, SYS_unlinkat
        mov     x0, FOLDER
        ldr     x1, [x19, NAME]
        svc     0
        ret

set_index:
        mov     x14, x30
        ldr     x5, [x19, DIGITS]
        bl      decimal
        strb    wzr, [x5]
        ret     x14

set_times_index:
        enter
        bl      set_index
        const   x9, 0x6d69742e          // ".tim"
        movk    x9, 0x7365, lsl 32      // "es"
        str     x9, [x5]
        return

open_times:
        enter
        bl      times_of_stream
        ldr     x0, [x19, INDEX]
        bl      set_times_index
        mov     x8, SYS_openat
        mov     x0, FOLDER
        ldr     x1, [x19, NAME]
        sub     x1, x1, 1
        const   x2, O_EXISTING
        mov     x3, 0
        svc     0
        str     x0, [x25, TIMES_FILE]
        tbnz    x0, 63, no_times
        bl      is_own
        b.ne    no_times
        mov     x8, SYS_pread64
        ldr     w0, [x25, TIMES_FILE]
        add     x1, x25, CAPACITY
        mov     x2, HEAD_BYTES
        mov     x3, 0
        svc     0
        cmp     x0, HEAD_BYTES
        b.ne    no_times
        ldr     x9, [x25, CAPACITY]
        sub     x9, x9, 1
        mov     x10, MAX_CAPACITY
        cmp     x9, x10
        b.hs    no_times
        return
no_times:
        bl      create_times
        return

new_times:
        enter
        bl      create_times
        mov     x26, x22
        mov     x22, 0
        bl      note_time
        mov     x22, x26
        return

create_times:
        enter
        bl      times_of_stream
        ldr     w0, [x25, TIMES_FILE]
        tbnz    w0, 31, closed
        mov     x8, SYS_close
        svc     0
closed:
        ldr     x0, [x19, INDEX]
        bl      remove_times
        mov     x8, SYS_openat
        mov     x0, FOLDER
        ldr     x1, [x19, NAME]
        sub     x1, x1, 1
        const   x2, O_CREATE_NEW
        mov     x3, 0644
        svc     0
        str     x0, [x25, TIMES_FILE]
        bl      begin_times
        return

begin_times:
        ldr     x9, [x28, NEW_CAPACITY]
        str     x9, [x25, CAPACITY]
        str     xzr, [x25, RECENT]
        str     xzr, [x25, OLDER]
        mov     x9, -OLDER_BYTES
        str     x9, [x25, OLDER_AT]
        str     xzr, [x25, NOTED]
        ret

note_time:
        enter
        bl      times_of_stream
        ldr     w9, [x25, TIMES_FILE]
        tbnz    w9, 31, nothing
        mov     x8, SYS_clock_gettime
        mov     x0, CLOCK_REALTIME
        add     x1, x28, TIME
        svc     0
        ldr     x9, [x28, TIME + 8]
        const   x10, 1000000
        udiv    x9, x9, x10
        ldr     x10, [x28, TIME]
        mov     x11, 1000
        madd    x9, x10, x11, x9
        ldr     x10, [x25, NOTED]
        sub     x10, x9, x10
        cmp     x10, x11
        b.lo    nothing
        str     x22, [x28, TIME]
        str     x9, [x28, TIME + 8]
        ldr     x10, [x25, OLDER_AT]
        cmp     x22, x10
        b.ge    grown
        mov     x8, SYS_ftruncate
        ldr     w0, [x25, TIMES_FILE]
        mov     x1, 0
        svc     0
        bl      begin_times
grown:
        ldr     x9, [x28, TIME + 8]
        str     x9, [x25, NOTED]
        ldr     x9, [x25, RECENT]
        ldr     x10, [x25, CAPACITY]
        udiv    x11, x9, x10
        msub    x3, x11, x10, x9
        add     x9, x9, 1
        str     x9, [x25, RECENT]
        bl      write_time
        ldr     x10, [x25, OLDER_AT]
        sub     x10, x22, x10
        cmp     x10, OLDER_BYTES
        b.lt    write_head
        str     x22, [x25, OLDER_AT]
        ldr     x3, [x25, OLDER]
        add     x9, x3, 1
        str     x9, [x25, OLDER]
        ldr     x10, [x25, CAPACITY]
        add     x3, x3, x10
        bl      write_time
write_head:
        mov     x8, SYS_pwrite64
        ldr     w0, [x25, TIMES_FILE]
        add     x1, x25, CAPACITY
        mov     x2, HEAD_BYTES
        mov     x3, 0
        svc     0
        return

// Writes an entry to the place x3.
write_time:
        add     x3, x3, HEAD_ENTRIES
        lsl     x3, x3, 4
        mov     x8, SYS_pwrite64
        ldr     w0, [x25, TIMES_FILE]
        add     x1, x28, TIME
        mov     x2, 16
        svc     0
        ret

times_of_stream:
        ubfx    x9, x19, 7, 1
        mov     x10, 48
        madd    x25, x9, x10, x28
        add     x25, x25, TIMES
        ret

// Writes x0 in decimal to x5, which it moves on.
decimal:
        mov     x9, 10
        mov     x3, sp
digit:
        udiv    x1, x0, x9
        msub    x2, x1, x9, x0
        add     x2, x2, '0'
        str     x2, [sp, -16]!
        mov     x0, x1
        cbnz    x0, digit
put:
        ldr     x2, [sp], 16
        strb    w2, [x5], 1
        mov     x1, sp
        cmp     x1, x3
        b.ne    put
        ret

save:
        enter
        mov     x15, x19
        mov     x19, x28
        bl      set_end
        add     x19, x28, STDERR
        bl      set_end
        mov     x19, x15
        mov     x8, SYS_pwrite64
        mov     x0, RECORD
        mov     x1, x28
        mov     x2, STATE_BYTES
        mov     x3, STATE_AT
        svc     0
        return

set_end:
        ldr     w9, [x19, FILE]
        tbnz    w9, 31, looked
        mov     x14, x30
        bl      seek_end
        str     x0, [x19, END]
        ret     x14

seek_end:
        mov     x8, SYS_lseek
        ldr     w0, [x19, FILE]
        mov     x1, 0
        mov     x2, SEEK_END
        svc     0
        ret

// Reads up to x2 bytes of the stream into the buffer. x0: the result.
read_pipe:
        enter
        bl      pipe_of_stream
        mov     x8, SYS_read
        mov     x1, x27
        svc     0
        cmp     x0, 0
        b.le    nothing
        bl      count
        return

free_buffer:
        mov     x8, SYS_madvise
        mov     x0, x27
        const   x1, TABLE_ADDRESS + TABLE_BYTES - BUFFER
        mov     x2, MADV_DONTNEED
        svc     0
        ret

pipe_of_stream:
        ubfx    x0, x19, 7, 1
        ret

now:
        mov     x8, SYS_clock_gettime
        mov     x0, CLOCK_MONOTONIC
        add     x1, x28, TIME
        svc     0
        ldr     x0, [x28, TIME]
        ret

notice_begin:
        .ascii  "\n[exec2: "
notice_middle:
        .ascii  " bytes of this output are lost: writing this file failed with errno "
notice_end:
        .balign 4
