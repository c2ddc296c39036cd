// Functions that the executable for arm64 brings along: the same as in x64.s, which tells what they are for.
//
//   as -o code.o arm64.s && objcopy -O binary -j .text code.o code

setrlimit64:
	mov	w0, #-1
	ret

	.balign	16
__atomic_compare_exchange:
	cmp	x0, #8
	b.ne	3f
	ldr	x6, [x2]
	ldr	x7, [x3]
1:	ldaxr	x8, [x1]
	cmp	x8, x6
	b.ne	2f
	stlxr	w9, x7, [x1]
	cbnz	w9, 1b
	mov	w0, #1
	ret
2:	clrex
	str	x8, [x2]
	mov	w0, #0
	ret
3:	udf	#0
