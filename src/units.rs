//! Numbers as people read and write them: one unit system (powers of 1000, as in `terminal.md`'s screens:
//! `3.4 GB`, `61 MB/s`, `4 m`), in stable widths.
