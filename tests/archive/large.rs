//! Archives beyond what the format of 1989 has room for.
