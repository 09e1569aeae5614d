//! The calls that only Linux has; a port to another system is this file.
