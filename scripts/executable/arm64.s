// Functions that the executable for arm64 contains and so does not import. x64.s explains them.
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

	.balign	128
getrlimit64:
	mov	x4, x1
	mov	w5, w0
	mov	x0, #0
	mov	w1, w5
	mov	x2, #0
	mov	x3, x4
	mov	x8, #261		// prlimit64
	svc	#0
	cbnz	x0, 4f
	cmp	w5, #7			// RLIMIT_NOFILE
	b.ne	3f
	ldp	x6, x7, [x4]
	cmp	x6, #64
	b.hs	3f
	mov	x9, #64
	cmp	x7, x9
	csel	x7, x7, x9, hs
	stp	x9, x7, [sp, #-16]!
	mov	x0, #0
	mov	w1, w5
	mov	x2, sp
	mov	x3, #0
	svc	#0
	ldp	x9, x7, [sp], #16
	cbnz	x0, 2f
	stp	x9, x7, [x4]
3:	mov	w0, #0
	ret
2:	cmp	x6, #24
	b.hs	3b
	mov	x8, #64			// write
	mov	x0, #2
	adr	x1, .Lmessage
	mov	x2, #(.Lend - .Lmessage)
	svc	#0
	mov	x8, #94			// exit_group
	mov	x0, #125
	svc	#0
4:	mov	w0, #-1
	ret
.Lmessage:
	.ascii	"error: too many open files\nhint: Raise the limit of open files: ulimit -n 64\n"
.Lend:
