/**
 * Loads the library of the embedded engine and ends: the door of a process that can do nothing else, since a library that does
 * not fit the machine may end its process.
 */
import { libchdbPath } from 'chdb/libchdb'
import { open } from 'ffi-rs'

open({ library: 'chdb', path: libchdbPath() })
