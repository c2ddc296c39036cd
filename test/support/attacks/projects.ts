/** Attempts of a task to leave the project of its folder, with what the kernel or the filter answers to each. */

/**
 * Python that prints a line for each attempt: its name, and "worked" or the errno.
 * @param project a neighbour's project
 */
export const leaveProject = (project: number) => `
import ctypes, errno, fcntl, os, struct
libc = ctypes.CDLL(None, use_errno=True)
GET, SET, SETFLAGS, GETFLAGS = 0x801c581f, 0x401c5820, 0x40086602, 0x80086601
INHERIT, PROJINHERIT_FL = 0x200, 0x20000000
def attempt(name, what):
    try:
        what()
        print(name, "worked")
    except OSError as error:
        print(name, errno.errorcode[error.errno])
def change(path, project=None, clear=0):
    fd = os.open(path, os.O_RDONLY)
    try:
        attributes = bytearray(fcntl.ioctl(fd, GET, bytes(28)))
        flags, = struct.unpack_from("I", attributes, 0)
        struct.pack_into("I", attributes, 0, flags & ~clear)
        if project is not None: struct.pack_into("I", attributes, 12, project)
        fcntl.ioctl(fd, SET, bytes(attributes))
    finally:
        os.close(fd)
def clear_flag(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        flags, = struct.unpack("l", fcntl.ioctl(fd, GETFLAGS, bytes(8)))
        fcntl.ioctl(fd, SETFLAGS, struct.pack("l", flags & ~PROJINHERIT_FL))
    finally:
        os.close(fd)
def call_469(path):
    # struct file_attr: xflags, extsize, nextents, projid, cowextsize.
    if libc.syscall(469, -100, path.encode(), struct.pack("QIIII", 0, 0, 0, 0, 0), ctypes.c_size_t(24), 0) < 0:
        raise OSError(ctypes.get_errno(), "file_setattr")
os.chdir(os.environ["NOMAD_TASK_DIR"])
open("file", "w").close()
os.makedirs("folder/inner", exist_ok=True)
attempt("own file to project 0", lambda: change("file", 0))
attempt("own file to a neighbour", lambda: change("file", ${project}))
attempt("own folder to project 0", lambda: change("folder", 0))
attempt("own folder without inheritance", lambda: change("folder", clear=INHERIT))
attempt("own folder without the flag", lambda: clear_flag("folder"))
attempt("the top folder to project 0", lambda: change(".", 0))
attempt("the top folder without inheritance", lambda: change(".", clear=INHERIT))
attempt("file_setattr", lambda: call_469("file"))
`;
