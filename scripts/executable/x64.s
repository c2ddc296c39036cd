# Functions that the executable for x86-64 brings along. importedCode.ts has the bytes.
#
#   as -o code.o x64.s && objcopy -O binary -j .text code.o code

# int setrlimit64(int resource, const struct rlimit64 *limit)
#
# Fails. Node would raise its soft limit of open files to the hard one before any script
# runs. As it is, tasks get what the agent had, and the driver raises its own.

setrlimit64:
	mov	$-1, %eax
	ret

# bool __atomic_compare_exchange(size_t size, void *memory, void *expected, void *desired,
#                                int success, int failure)
#
# libatomic's, for the one size that V8 has: 8 bytes, aligned.

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
