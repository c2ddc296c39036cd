# The logger for x86-64: the part of the runner (runnerX86.s) that writes a task's output into its log files.
# ../logs/logger.ts explains it, and has the layout of the state that is in the table.
#
# Its descriptors: 0 and 1, the read ends of the task's standard output and error, which do not block; 2, the
# folder of the files; 5, the record. It never returns.

        .set    STATE, 0x10000a00
        .set    STDOUT, STATE
        .set    STDERR, STATE + 128
        .set    HELD, STATE + 264       # whether output has waited for the rate
        .set    MAX_FILE_SIZE, STATE + 272
        .set    POLLED, STATE + 280
        .set    TIME, STATE + 296
        .set    NEW_CAPACITY, STATE + 312
        .set    TIMES, STATE + 976      # of standard output; that of standard error follows
        .set    MAX_FILES, STATE + 1072
        .set    BYTE_TIME, STATE + 1080 # how long a byte takes at the rate, in 1/65536 ns; 0: there is no rate
        .set    DUE, STATE + 1088       # when all output so far is due at the rate, in ns of the monotonic clock
        .set    ROUND_DUE, STATE + 1096 # when the next round is due

        # Offsets in the state of a stream.
        .set    INDEX, 0
        .set    FINISHED, 8
        .set    BEGIN, 16
        .set    END, 24
        .set    LOST, 32
        .set    ERRNO, 40
        .set    FILES, 48
        .set    ENDED, 56
        .set    PENDING, 64             # bytes that were lost and that no line in the log has named yet
        .set    RETRY_AT, 72            # in seconds of the monotonic clock
        .set    FILE, 80                # descriptor of the current file, or -1
        .set    WANTED, 88              # index of the next file
        .set    COPIES, 96              # whether the file system has no splice
        .set    NAME, 104               # address of the files' name
        .set    DIGITS, 112             # address at which the index is put into the name
        .set    LOSES, 120              # whether files cannot be written at the moment

        # Offsets in the times of a stream. From CAPACITY on, they are the head of the file of times.
        .set    TIMES_FILE, 0           # its descriptor, or negative
        .set    CAPACITY, 8             # number of recent entries that the file has room for
        .set    RECENT, 16              # number of recent entries so far
        .set    OLDER, 24               # number of entries that stay
        .set    OLDER_AT, 32            # offset of the last of these
        .set    NOTED, 40               # time of the last entry, in ms
        .set    HEAD_BYTES, 32
        .set    HEAD_ENTRIES, 2
        .set    OLDER_BYTES, 4096       # output between two entries that stay
        .set    MAX_CAPACITY, 4096

        .set    FOLDER, 2
        .set    RECORD, 5
        .set    STATE_AT, 256           # offset of the state in the record
        .set    STATE_BYTES, 272

        .set    BUFFER, EARLY_ADDRESS
        .set    TAIL, 0x8000            # so many bytes at a file's end are cut at a line's end
        .set    SPLICE_BYTES, 0x100000
        .set    NOTICE_BYTES, 128       # no notice is longer
        .set    MAX_TRIES, 64
        .set    SECOND, 1000000000      # in ns; as much output as it brings is not held
        .set    ROUND, 122000           # in ns; the task fills no pipe meanwhile

        .set    SYS_fstat, 5
        .set    SYS_poll, 7
        .set    SYS_lseek, 8
        .set    SYS_ioctl, 16
        .set    SYS_close, 3
        .set    SYS_pread64, 17
        .set    SYS_pwrite64, 18
        .set    SYS_nanosleep, 35
        .set    SYS_ftruncate, 77
        .set    SYS_clock_gettime, 228
        .set    SYS_clock_nanosleep, 230
        .set    SYS_openat, 257
        .set    SYS_unlinkat, 263
        .set    SYS_splice, 275
        .set    SYS_tee, 276
        .set    SYS_pipe2, 293

        .set    MADV_DONTNEED, 4
        .set    SEEK_END, 2
        .set    CLOCK_REALTIME, 0
        .set    CLOCK_MONOTONIC, 1
        .set    TIMER_ABSTIME, 1
        .set    POLLHUP, 0x10
        .set    FIONREAD, 0x541b
        .set    AT_REMOVEDIR, 0x200
        .set    SPLICE_MOVE_NONBLOCK, 3
        .set    SPLICE_F_NONBLOCK, 2
        .set    O_NONBLOCK_CLOEXEC, 0x80800
        .set    O_CREATE_NEW, 0xa00c2   # O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW, O_CLOEXEC
        .set    O_EXISTING, 0xa0802     # O_RDWR, O_NOFOLLOW, O_NONBLOCK, O_CLOEXEC
        .set    S_IFMT, 0xf000
        .set    S_IFREG, 0x8000
        .set    EINTR, 4
        .set    EIO, 5
        .set    EAGAIN, 11
        .set    EEXIST, 17
        .set    EINVAL, 22
        .set    ENODATA, 61

logger:
        call    free_buffer
        mov     ebx, STDOUT
        call    open_first
        mov     ebx, STDERR
        call    open_first
        call    save
wait:
        mov     edx, -1
        mov     rax, [STDOUT + LOSES]
        or      rax, [STDERR + LOSES]
        jz      poll
        mov     edx, 1000
poll:
        mov     eax, SYS_poll
        mov     edi, POLLED
        mov     esi, 2
        syscall
        call    pace
        mov     ebx, STDOUT
        movzx   r12d, word ptr [POLLED + 6]
        call    move_output
        mov     ebx, STDERR
        movzx   r12d, word ptr [POLLED + 14]
        call    move_output
        mov     rax, [STDOUT + ENDED]
        and     rax, [STDERR + ENDED]
        jz      wait
        mov     eax, SYS_exit_group
        xor     edi, edi
        syscall

# Waits until all output so far is due; meanwhile the pipes fill, and the task waits, too. Also waits for the next
# round, or else many small writes would keep the logger busy.
pace:
        cmp     qword ptr [BYTE_TIME], 0
        je      nothing
        call    now
        imul    rax, rax, SECOND
        add     rax, [TIME + 8]
        lea     rcx, [rax - SECOND]
        mov     rdx, [ROUND_DUE]
        cmp     rdx, rcx
        cmovl   rdx, rcx
        add     rdx, ROUND
        mov     [ROUND_DUE], rdx
        mov     rdx, [DUE]
        cmp     rdx, rcx
        cmovl   rdx, rcx
        mov     [DUE], rdx
        cmp     rdx, rax
        jle     later
        cmp     qword ptr [HELD], 0
        jne     later
        mov     qword ptr [HELD], 1
        push    rax
        call    save
        pop     rax
later:
        mov     rdx, [DUE]
        cmp     rdx, [ROUND_DUE]
        cmovl   rdx, [ROUND_DUE]
        cmp     rdx, rax
        jle     nothing
        mov     rax, rdx
        mov     ecx, SECOND
        xor     edx, edx
        div     rcx
        mov     [TIME], rax
        mov     [TIME + 8], rdx
        mov     eax, SYS_clock_nanosleep
        mov     edi, CLOCK_MONOTONIC
        mov     esi, TIMER_ABSTIME
        mov     edx, TIME
        xor     r10d, r10d
        syscall
        ret

# Counts the rax bytes that were taken out of a pipe; keeps rax.
count:
        mov     rcx, rax
        imul    rcx, [BYTE_TIME]
        shr     rcx, 16
        add     [DUE], rcx
        ret

# Moves what the stream rbx has, once. r12: what poll(2) said of its pipe.
move_output:
        cmp     qword ptr [rbx + ENDED], 0
        jne     nothing
        cmp     qword ptr [rbx + LOSES], 0
        je      keep
        call    now
        cmp     rax, [rbx + RETRY_AT]
        jl      discard
        call    repair
        test    rax, rax
        jz      keep
discard:
        test    r12d, r12d
        jz      nothing
        mov     edx, TAIL
        call    read_pipe
        jle     nothing_read
        add     [rbx + LOST], rax
        add     [rbx + PENDING], rax
        ret
keep:
        test    r12d, r12d
        jz      nothing
        call    seek_end
        mov     r14, rax                # r14: size of the file; r15: what still fits
        mov     r15, [MAX_FILE_SIZE]
        sub     r15, rax
        jg      fits
        call    next_file
        test    rax, rax
        jnz     discard
        jmp     keep
fits:
        call    note_time
        cmp     qword ptr [rbx + COPIES], 0
        jne     copy
        xor     r13d, r13d              # r13: length of a chunk that reaches the file's end, or 0
        cmp     r15, TAIL
        jg      far
        mov     eax, SYS_ioctl
        call    pipe_of_stream
        mov     esi, FIONREAD
        mov     edx, TIME
        syscall
        mov     eax, [TIME]
        cmp     rax, r15
        jge     peek
        cmp     eax, 1                  # at least 1, which tells an empty pipe from its end
        adc     eax, 0
        mov     r15, rax
        jmp     move
far:
        sub     r15, TAIL
        mov     eax, SPLICE_BYTES
        cmp     r15, rax
        cmova   r15, rax
move:                                   # moves up to r15 bytes
        mov     eax, SYS_splice
        call    pipe_of_stream
        xor     esi, esi
        mov     edx, [rbx + FILE]
        xor     r10d, r10d
        mov     r8, r15
        mov     r9d, SPLICE_MOVE_NONBLOCK
        syscall
        test    rax, rax
        jz      nothing_read
        jns     moved
        cmp     rax, -EAGAIN
        je      nothing
        cmp     rax, -EINTR
        je      nothing
        cmp     rax, -EINVAL
        je      no_splice
        mov     rdi, rax
        neg     rdi
        xor     esi, esi
        call    lose
        jmp     discard
no_splice:
        mov     qword ptr [rbx + COPIES], 1
        jmp     keep
moved:
        call    count
        cmp     r13, r15
        jle     nothing
        cmp     rax, r15
        jne     nothing
begin_next:
        call    next_file
        jmp     free_buffer
nothing:
        ret

# A read or splice that gave nothing, with rax.
nothing_read:
        cmp     rax, -EAGAIN
        je      nothing
        cmp     rax, -EINTR
        je      nothing
        cmp     rax, -ENODATA
        je      no_data
        test    rax, rax
        jnz     pause
        # 0 is also the result for a page that was taken out of a file and into the pipe, and then truncated.
no_data:
        test    r12d, POLLHUP
        jnz     end_stream
pause:
        mov     qword ptr [TIME], 0
        mov     qword ptr [TIME + 8], 10000000
        mov     eax, SYS_nanosleep
        mov     edi, TIME
        xor     esi, esi
        syscall
        ret

end_stream:
        cmp     qword ptr [rbx + LOSES], 0
        je      ended
        call    repair
ended:
        mov     qword ptr [rbx + ENDED], 1
        call    pipe_of_stream
        mov     dword ptr [POLLED + rdi * 8], -1
        jmp     save

# The output in the pipe reaches the file's end. It is looked at in another pipe, which gets the same pages by
# tee(2), and stays where it is: if the logger is killed, the next one finds it.
peek:
        mov     eax, SYS_pipe2
        mov     edi, TIME
        mov     esi, O_NONBLOCK_CLOEXEC
        syscall
        test    rax, rax
        jnz     copy
        mov     eax, SYS_tee
        call    pipe_of_stream
        mov     esi, [TIME + 4]
        mov     edx, r15d
        mov     r10d, SPLICE_F_NONBLOCK
        syscall
        xor     eax, eax                # SYS_read
        mov     edi, [TIME]
        mov     esi, BUFFER
        mov     edx, TAIL
        syscall
        mov     rbp, rax
        mov     eax, SYS_close
        mov     edi, [TIME]
        syscall
        mov     eax, SYS_close
        mov     edi, [TIME + 4]
        syscall
        test    rbp, rbp
        jle     copy
        mov     r13, rbp                # rbp: not 0
        cmp     r13, r15
        je      find_line
        mov     r15, r13                # a pipe holds only so many pieces
        jmp     move

# Copies output through the buffer, where it cannot be moved. A chunk that reaches the file's end is cut behind
# its last line that fits; if a line begins with the chunk and does not end in it, all of it goes to the next
# file.
copy:
        mov     edx, TAIL
        cmp     r15, rdx
        cmovl   rdx, r15
        call    read_pipe
        jle     nothing_read
        mov     r13, rax                # r13: length of the chunk
        xor     ebp, ebp
        cmp     rax, r15
        jne     uncut
find_line:
        cmp     byte ptr [BUFFER + r15 - 1], '\n'
        je      cut
        dec     r15
        jnz     find_line
        test    r14, r14
        jz      uncut
        mov     eax, SYS_pread64
        mov     edi, [rbx + FILE]
        mov     esi, TIME
        mov     edx, 1
        lea     r10, [r14 - 1]
        syscall
        cmp     byte ptr [TIME], '\n'
        je      cut
uncut:
        mov     r15, r13
cut:                                    # r15: how much of the chunk is for this file
        test    rbp, rbp
        jnz     cut_pipe
        mov     ebp, BUFFER
        mov     r14, r15
        call    write_file
        mov     r14, r13
        sub     r14, r15
        jz      nothing
        cmp     qword ptr [rbx + LOSES], 0
        jne     lose_rest
        call    next_file
        test    rax, rax
        jnz     lose_rest
        lea     rbp, [BUFFER + r15]
        call    write_file
        jmp     free_buffer
cut_pipe:
        test    r15, r15
        jnz     move
        jmp     begin_next
lose_rest:
        mov     rdi, [rbx + ERRNO]
        mov     rsi, r14
        jmp     lose

# Writes r14 bytes at rbp into the file.
write_file:
        test    r14, r14
        jz      nothing
        mov     eax, SYS_write
        mov     edi, [rbx + FILE]
        mov     rsi, rbp
        mov     rdx, r14
        syscall
        cmp     rax, -EINTR
        je      write_file
        test    rax, rax
        jle     not_written
        add     rbp, rax
        sub     r14, rax
        jmp     write_file
not_written:
        mov     rdi, rax
        neg     rdi
        mov     rsi, r14
        # Falls through.

# Counts rsi bytes as lost for the error rdi. Files are tried again in a second.
lose:
        add     [rbx + LOST], rsi
        add     [rbx + PENDING], rsi
        mov     [rbx + ERRNO], rdi
        mov     qword ptr [rbx + LOSES], 1
        call    now
        inc     rax
        mov     [rbx + RETRY_AT], rax
        jmp     save

# Tries to write again, and first says what was lost. rax: 0 if this succeeded.
repair:
        cmp     dword ptr [rbx + FILE], 0
        jge     has_file
        call    create
        test    rax, rax
        jnz     nothing
has_file:
        cmp     qword ptr [rbx + PENDING], 0
        je      repaired
        call    seek_end
        mov     r14, rax
        add     rax, NOTICE_BYTES
        cmp     rax, [MAX_FILE_SIZE]
        jle     notice
        call    next_file
        test    rax, rax
        jnz     nothing
        xor     r14d, r14d
notice:
        mov     edi, BUFFER
        lea     rsi, [rip + notice_begin]
        mov     ecx, notice_middle - notice_begin
        rep movsb
        mov     rax, [rbx + PENDING]
        call    decimal
        lea     rsi, [rip + notice_middle]
        mov     ecx, notice_end - notice_middle
        rep movsb
        mov     rax, [rbx + ERRNO]
        call    decimal
        mov     word ptr [rdi], 0x0a5d  # "]\n"
        add     edi, 2 - BUFFER
        mov     r15d, edi
        mov     eax, SYS_write
        mov     edi, [rbx + FILE]
        mov     esi, BUFFER
        mov     edx, r15d
        syscall
        cmp     rax, r15
        je      repaired
        mov     r15, rax
        mov     eax, SYS_ftruncate      # a part of the notice
        mov     edi, [rbx + FILE]
        mov     rsi, r14
        syscall
        mov     rdi, [rbx + ERRNO]
        test    r15, r15
        jns     not_repaired
        mov     rdi, r15
        neg     rdi
not_repaired:
        xor     esi, esi
        call    lose
        or      rax, -1
        ret
repaired:
        mov     qword ptr [rbx + LOSES], 0
        mov     qword ptr [rbx + PENDING], 0
        call    free_buffer
        call    save
        xor     eax, eax
        ret

# Opens the file with which the stream begins: an existing one only if it is a regular file of root's with
# one link. Anything else is replaced.
open_first:
        mov     rax, [rbx + INDEX]
        call    set_index
        mov     eax, SYS_openat
        mov     edi, FOLDER
        mov     rsi, [rbx + NAME]
        mov     edx, O_EXISTING
        xor     r10d, r10d
        syscall
        test    rax, rax
        js      create
        mov     [rbx + FILE], rax
        call    is_own
        jne     unfit
        cmp     qword ptr [rbx + BEGIN], -1
        jne     open_times
        mov     rax, [BUFFER + 48]      # st_size
        mov     [rbx + BEGIN], rax
        jmp     open_times
unfit:
        mov     eax, SYS_close
        mov     edi, [rbx + FILE]
        syscall
        mov     qword ptr [rbx + FILE], -1
        jmp     create

# Looks at the file eax. The flags say whether it is a regular one of root's with one link.
is_own:
        mov     edi, eax
        mov     eax, SYS_fstat
        mov     esi, BUFFER
        syscall
        mov     eax, [BUFFER + 24]      # st_mode
        and     eax, S_IFMT
        cmp     eax, S_IFREG
        jne     nothing
        cmp     dword ptr [BUFFER + 28], 0      # st_uid
        jne     nothing
        cmp     qword ptr [BUFFER + 16], 1      # st_nlink
        ret

# Closes the current file, and creates the next. rax: 0 if this succeeded.
next_file:
        call    seek_end
        sub     rax, [rbx + BEGIN]
        jle     truncated
        add     [rbx + FINISHED], rax
truncated:
        mov     eax, SYS_close
        mov     edi, [rbx + FILE]
        syscall
        mov     qword ptr [rbx + FILE], -1
        mov     rax, [rbx + INDEX]
        inc     rax
        mov     [rbx + WANTED], rax
        # Falls through.

# Creates the file WANTED. Removes what has its name, and the file that is too old then. If its name cannot be
# freed, takes the next name. rax: 0 if this succeeded.
create:
        push    rbp
        push    r13
        mov     r13d, MAX_TRIES
        xor     ebp, ebp
try:
        mov     rax, [rbx + WANTED]
        call    set_index
        mov     eax, SYS_openat
        mov     edi, FOLDER
        mov     rsi, [rbx + NAME]
        mov     edx, O_CREATE_NEW
        mov     r10d, 0644
        syscall
        test    rax, rax
        jns     created
        cmp     rax, -EEXIST
        jne     not_created
        dec     r13d
        jz      not_created
        xor     ebp, 1
        jz      skip
        xor     edx, edx
        call    remove
        mov     edx, AT_REMOVEDIR
        call    remove
        jmp     try
skip:
        call    prune
        inc     qword ptr [rbx + WANTED]
        jmp     try
not_created:
        mov     rdi, rax
        neg     rdi
        xor     esi, esi
        call    lose
        pop     r13
        pop     rbp
        or      rax, -1
        ret
created:
        mov     [rbx + FILE], rax
        mov     rax, [rbx + WANTED]
        mov     [rbx + INDEX], rax
        mov     qword ptr [rbx + BEGIN], 0
        inc     qword ptr [rbx + FILES]
        call    prune
        call    new_times
        call    save
        pop     r13
        pop     rbp
        xor     eax, eax
        ret

# Removes the file that is too old once WANTED exists, and its times.
prune:
        mov     rax, [rbx + WANTED]
        sub     rax, [MAX_FILES]
        js      nothing
        push    rax
        call    set_index
        xor     edx, edx
        call    remove
        pop     rax
        # Falls through.

# Removes the times of the file with the index rax, and leaves their name for the next call.
remove_times:
        call    set_times_index
        mov     eax, SYS_unlinkat
        mov     edi, FOLDER
        call    times_name
        xor     edx, edx
        syscall
        ret

remove:
        mov     eax, SYS_unlinkat
        mov     edi, FOLDER
        mov     rsi, [rbx + NAME]
        syscall
        ret

# Puts the index rax into the files' name.
set_index:
        mov     rdi, [rbx + DIGITS]
        call    decimal
        mov     byte ptr [rdi], 0
        ret

# Puts the index rax into the name of the file of times: a dot, the file's name and ".times".
set_times_index:
        call    set_index
        mov     rax, 0x73656d69742e     # ".times"
        mov     [rdi], rax
        ret

# rsi: the name of the file of times, which begins a byte before the file's.
times_name:
        mov     rsi, [rbx + NAME]
        dec     rsi
        ret

# Goes on in the times of the file with which the stream begins.
open_times:
        push    rbp
        call    times_of_stream
        mov     rax, [rbx + INDEX]
        call    set_times_index
        mov     eax, SYS_openat
        mov     edi, FOLDER
        call    times_name
        mov     edx, O_EXISTING
        xor     r10d, r10d
        syscall
        mov     [rbp + TIMES_FILE], rax
        test    rax, rax
        js      no_times
        call    is_own
        jne     no_times
        mov     eax, SYS_pread64
        mov     edi, [rbp + TIMES_FILE]
        lea     rsi, [rbp + CAPACITY]
        mov     edx, HEAD_BYTES
        xor     r10d, r10d
        syscall
        cmp     rax, HEAD_BYTES
        jne     no_times
        mov     rax, [rbp + CAPACITY]   # at least 1: it divides
        dec     rax
        cmp     rax, MAX_CAPACITY
        jae     no_times
        pop     rbp
        ret
no_times:
        pop     rbp
        jmp     create_times

# Begins the times of a new file: it begins now.
new_times:
        call    create_times
        push    r14
        xor     r14d, r14d
        call    note_time
        pop     r14
        ret

# Closes the file of times, and creates that of the current file. Without one, the output has no times.
create_times:
        push    rbp
        call    times_of_stream
        cmp     dword ptr [rbp + TIMES_FILE], 0
        jl      closed
        mov     eax, SYS_close
        mov     edi, [rbp + TIMES_FILE]
        syscall
closed:
        mov     rax, [rbx + INDEX]
        call    remove_times
        mov     eax, SYS_openat
        mov     edi, FOLDER
        call    times_name
        mov     edx, O_CREATE_NEW
        mov     r10d, 0644
        syscall
        mov     [rbp + TIMES_FILE], rax
        call    begin_times
        pop     rbp
        ret

# An empty file of times at rbp.
begin_times:
        mov     rax, [NEW_CAPACITY]
        mov     [rbp + CAPACITY], rax
        mov     qword ptr [rbp + RECENT], 0
        mov     qword ptr [rbp + OLDER], 0
        mov     qword ptr [rbp + OLDER_AT], -OLDER_BYTES
        mov     qword ptr [rbp + NOTED], 0
        ret

# Notes, at most once a second, when the output is moved that begins at r14 of the file.
note_time:
        push    rbp
        call    times_of_stream
        cmp     dword ptr [rbp + TIMES_FILE], 0
        jl      noted
        mov     eax, SYS_clock_gettime
        mov     edi, CLOCK_REALTIME
        mov     esi, TIME
        syscall
        mov     rax, [TIME + 8]
        mov     ecx, 1000000
        xor     edx, edx
        div     rcx
        imul    rcx, [TIME], 1000
        add     rax, rcx
        mov     rcx, rax
        sub     rcx, [rbp + NOTED]
        cmp     rcx, 1000               # unsigned: the clock may have been set back
        jb      noted
        mov     [TIME], r14
        mov     [TIME + 8], rax
        cmp     r14, [rbp + OLDER_AT]
        jge     grown
        mov     eax, SYS_ftruncate      # so was the file of output
        mov     edi, [rbp + TIMES_FILE]
        xor     esi, esi
        syscall
        call    begin_times
grown:
        mov     rax, [TIME + 8]
        mov     [rbp + NOTED], rax
        mov     rax, [rbp + RECENT]
        inc     qword ptr [rbp + RECENT]
        xor     edx, edx
        div     qword ptr [rbp + CAPACITY]
        mov     r10, rdx
        call    write_time
        mov     rax, r14
        sub     rax, [rbp + OLDER_AT]
        cmp     rax, OLDER_BYTES
        jl      write_head
        mov     [rbp + OLDER_AT], r14
        mov     r10, [rbp + OLDER]
        inc     qword ptr [rbp + OLDER]
        add     r10, [rbp + CAPACITY]
        call    write_time
write_head:
        mov     eax, SYS_pwrite64
        mov     edi, [rbp + TIMES_FILE]
        lea     rsi, [rbp + CAPACITY]
        mov     edx, HEAD_BYTES
        xor     r10d, r10d
        syscall
noted:
        pop     rbp
        ret

# Writes an entry of 16 bytes, from TIME, to the place r10.
write_time:
        add     r10, HEAD_ENTRIES
        shl     r10, 4
        mov     eax, SYS_pwrite64
        mov     edi, [rbp + TIMES_FILE]
        mov     esi, TIME
        mov     edx, 16
        syscall
        ret

# rbp: the times of the stream rbx.
times_of_stream:
        mov     ebp, ebx
        and     ebp, 128
        imul    ebp, ebp, 3             # 48 bytes for each
        shr     ebp, 3
        add     ebp, TIMES
        ret

# Writes rax in decimal to rdi, which it moves on.
decimal:
        mov     r8d, 10
        xor     ecx, ecx
digit:
        xor     edx, edx
        div     r8
        add     edx, '0'
        push    rdx
        inc     ecx
        test    rax, rax
        jnz     digit
put:
        pop     rdx
        mov     [rdi], dl
        inc     rdi
        dec     ecx
        jnz     put
        ret

# Writes the state to the record.
save:
        push    rbx
        mov     ebx, STDOUT
        call    set_end
        mov     ebx, STDERR
        call    set_end
        pop     rbx
        mov     eax, SYS_pwrite64
        mov     edi, RECORD
        mov     esi, STATE
        mov     edx, STATE_BYTES
        mov     r10d, STATE_AT
        syscall
        ret
set_end:
        cmp     dword ptr [rbx + FILE], 0
        jl      nothing
        call    seek_end
        mov     [rbx + END], rax
        ret

# rax: the size of the file, at whose end the next write begins. Whoever has truncated it finds no hole in it.
seek_end:
        mov     eax, SYS_lseek
        mov     edi, [rbx + FILE]
        xor     esi, esi
        mov     edx, SEEK_END
        syscall
        ret

# Reads up to rdx bytes of the stream into the buffer; rax and the flags: the result.
read_pipe:
        xor     eax, eax                # SYS_read
        call    pipe_of_stream
        mov     esi, BUFFER
        syscall
        test    rax, rax
        jle     nothing
        call    count
        test    rax, rax
        ret

# Returns the memory of the plan and the buffer to the kernel.
free_buffer:
        mov     eax, SYS_madvise
        mov     edi, BUFFER
        mov     esi, TABLE_ADDRESS + TABLE_BYTES - BUFFER
        mov     edx, MADV_DONTNEED
        syscall
        ret

# edi: the number of the stream rbx, which is also its pipe's descriptor.
pipe_of_stream:
        mov     edi, ebx
        shr     edi, 7
        and     edi, 1
        ret

# rax: seconds of the monotonic clock.
now:
        mov     eax, SYS_clock_gettime
        mov     edi, CLOCK_MONOTONIC
        mov     esi, TIME
        syscall
        mov     rax, [TIME]
        ret

notice_begin:
        .ascii  "\n[exec2: "
notice_middle:
        .ascii  " bytes of this output are lost: writing this file failed with errno "
notice_end:
