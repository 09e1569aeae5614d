//! Sources that change while an archive of them is made.
