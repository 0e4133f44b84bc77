// Fills memory with the pages of a file that is one hole: `hold FILE BYTES` prints "held" when they are there, and ends with its standard
// input. Since they are mapped, a system that gives up pages which nobody has read for a while leaves them alone; since they are cold,
// whoever needs memory takes them first, as the pages of old files.
package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
)

// Of madvise(2); not among the constants of the package.
const madvCold = 20

// So that the compiler does not leave out the reads.
var touched byte

func main() {
	if err := hold(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "hold:", err)
		os.Exit(1)
	}
	fmt.Println("held")
	io.Copy(io.Discard, os.Stdin)
}

func hold(path, size string) error {
	bytes, err := strconv.Atoi(size)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := file.Truncate(int64(bytes)); err != nil {
		return err
	}
	pages, err := syscall.Mmap(int(file.Fd()), 0, bytes, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return err
	}
	// Page by page: for larger pieces the system makes room in larger pieces, and takes away what was just read.
	if err := syscall.Madvise(pages, syscall.MADV_RANDOM); err != nil {
		return err
	}
	for at := 0; at < bytes; at += os.Getpagesize() {
		touched = pages[at]
	}
	return syscall.Madvise(pages, madvCold)
}
