# Functions that the executable for x86-64 contains and so does not import. buildExecutable.ts has their
# bytes.
#
#   as -o code.o x64.s && objcopy -O binary -j .text code.o code

# int setrlimit64(int resource, const struct rlimit64 *limit)
#
# Always fails, so that tasks get the agent's limit of open files. Otherwise Node would raise its soft
# limit to the hard limit before any script runs. The driver raises its own limit later.

setrlimit64:
	mov	$-1, %eax
	ret

# bool __atomic_compare_exchange(size_t size, void *memory, void *expected, void *desired,
#                                int success, int failure)
#
# Replaces libatomic's function, for the only size that V8 uses: 8 bytes, aligned.

	.balign	16
__atomic_compare_exchange:
	cmp	$8, %rdi
	jne	2f
	mov	(%rdx), %rax
	mov	(%rcx), %rcx
	lock cmpxchg	%rcx, (%rsi)
	jne	1f
	mov	$1, %eax
	ret
1:	mov	%rax, (%rdx)
	xor	%eax, %eax
	ret
2:	ud2

# int getrlimit64(int resource, struct rlimit64 *limit)
#
# Returns the kernel's answer. Node needs some twenty descriptors before it runs any script, and
# crashes without them. So this function first raises the limit of open files to 64, if it is lower. If
# that is forbidden and the limit is below 24, the program reports the error and exits with 125.

	.balign	128
getrlimit64:
	mov	%rsi, %r8
	mov	%edi, %esi
	xor	%edi, %edi
	xor	%edx, %edx
	mov	%r8, %r10
	mov	$302, %eax		# prlimit64
	syscall
	test	%eax, %eax
	jnz	4f
	cmp	$7, %esi		# RLIMIT_NOFILE
	jne	3f
	cmpq	$64, (%r8)
	jae	3f
	mov	$64, %edx
	mov	8(%r8), %rax
	cmp	%rdx, %rax
	cmovb	%rdx, %rax
	push	%rax			# the hard limit
	push	%rdx			# the soft limit
	mov	%rsp, %rdx
	xor	%r10d, %r10d
	mov	$302, %eax
	syscall
	pop	%rdx
	pop	%rcx
	test	%eax, %eax
	jnz	2f
	mov	%rdx, (%r8)
	mov	%rcx, 8(%r8)
3:	xor	%eax, %eax
	ret
2:	cmpq	$24, (%r8)
	jae	3b
	mov	$1, %eax		# write
	mov	$2, %edi
	lea	.Lmessage(%rip), %rsi
	mov	$.Lend - .Lmessage, %edx
	syscall
	mov	$231, %eax		# exit_group
	mov	$125, %edi
	syscall
4:	mov	$-1, %eax
	ret
.Lmessage:
	.ascii	"error: too many open files\nhint: Raise the limit of open files: ulimit -n 64\n"
.Lend:
