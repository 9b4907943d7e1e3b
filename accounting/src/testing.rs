//! How thoroughly the pure core is tried.

use proptest::prelude::ProptestConfig;

/// So many cases, unless `PROPTEST_CASES` says how many: mutants are tried with few, a night
/// with many.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    let cases =
        if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { cases };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
