//! The size of the tests. By default all of them take a few minutes; these variables make some of them longer:
//!
//! | variable | what it sets |
//! |---|---|
//! | `FDSP_LARGE=1` | whole contents of 4 and 5 GiB instead of parts of them or smaller ones, floods of 100,000 requests, folders of 10,000 files, and every row of the tables for every architecture |
//! | `FDSP_CAMPAIGN=500` | rounds of the campaigns in `library::tree::faults` and `library::resume::corrupt` |
//! | `FDSP_KILLS=2000` | kills in `processes::killed::kills` |
//! | `FDSP_TREE=/usr` | the folder that is fetched and compared by `diff` in `library::tree::fetch` |
//! | `FDSP_TREES=10000` | files of the trees in `library::tree::resume` and `processes::tree` |
//! | `FDSP_FUZZ_SECONDS=3600` | seconds that each fuzzed target gets (`cargo test --lib fuzzed`), instead of a fixed number of inputs |
//! | `FDSP_FUZZ_SEED=7` | the seed of the fuzzer, and so other inputs |
//! | `PROPTEST_CASES=5000` | cases of each property test |

use std::{env, str::FromStr};

use proptest::prelude::ProptestConfig;

/// Whether `FDSP_LARGE` is set.
pub fn large() -> bool {
    env::var_os("FDSP_LARGE").is_some()
}

/// `whole` if `FDSP_LARGE` is set, else `usual`.
pub fn at_most<T>(usual: T, whole: T) -> T {
    if large() { whole } else { usual }
}

/// The number in a variable, or else the default.
pub fn number<T: FromStr>(variable: &str, default: T) -> T {
    env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A property test of this many cases, unless `PROPTEST_CASES` sets another number.
pub fn cases(count: u32) -> ProptestConfig {
    ProptestConfig { cases: number("PROPTEST_CASES", count), ..ProptestConfig::default() }
}
