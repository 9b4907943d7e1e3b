//! A Python that has an OAuth library.

use std::path::PathBuf;

use crate::server::Server;

/// The Python that has what `tests/conformance/oauth_client.txt` lists.
///
/// Without one the test is skipped, out loud.
///
/// # Panics
/// When `ACCRUE_TEST_PYTHON` is not set and `ACCRUE_TEST_REQUIRE` names python.
#[must_use]
pub fn python() -> Option<PathBuf> {
    Server::Python.url_or_skip().map(PathBuf::from)
}
