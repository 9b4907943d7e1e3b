//! The passwords that everybody tries first.

use std::collections::HashSet;
use std::sync::LazyLock;

/// One a line, lower case; lines that begin with `#` tell where they are from.
const LIST: &str = include_str!("common_passwords.txt");

static COMMON: LazyLock<HashSet<&str>> =
    LazyLock::new(|| LIST.lines().filter(|line| !line.starts_with('#')).collect());

/// Whether `password` is one of the most common, in whatever case.
pub(super) fn is_common(password: &str) -> bool {
    COMMON.contains(password.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_thousands_in_any_case() {
        assert!(COMMON.len() > 5_000, "{}", COMMON.len());
        assert!(is_common("password1") && is_common("PassWord1") && is_common("qwertyuiop"));
        assert!(!is_common("correct horse") && !is_common("# the passwords"));
    }
}
