//! Which server, or other program, a test is to use, and what is said when there is none.

use std::env;
use std::io::Write as _;

/// A kind of server that tests need. Python is asked for, and missed, like one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    MongoDb,
    Postgres,
    RabbitMq,
    Python,
}

impl Server {
    /// Its name in `SKIP` lines, in `ACCRUE_TEST_REQUIRE` and under `tests/servers/`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::MongoDb => "mongodb",
            Self::Postgres => "postgres",
            Self::RabbitMq => "rabbitmq",
            Self::Python => "python",
        }
    }

    /// The variable that holds its URL, or its path.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::MongoDb => "ACCRUE_TEST_MONGODB_URL",
            Self::Postgres => "ACCRUE_TEST_POSTGRES_URL",
            Self::RabbitMq => "ACCRUE_TEST_RABBITMQ_URL",
            Self::Python => "ACCRUE_TEST_PYTHON",
        }
    }

    /// Its URL or path, if one is given. Without one the test is skipped, out loud.
    ///
    /// # Panics
    /// When there is none and `ACCRUE_TEST_REQUIRE` names the server.
    pub(crate) fn url_or_skip(self) -> Option<String> {
        let url = env::var(self.variable()).ok().filter(|url| !url.is_empty());
        if url.is_none() {
            let reason = format!("{} is not set", self.variable());
            assert!(!self.is_required(), "{} is required, but {reason}", self.name());
            self.skip(&reason);
        }
        url
    }

    /// Whether a missing server is a failure.
    pub(crate) fn is_required(self) -> bool {
        let required = env::var("ACCRUE_TEST_REQUIRE").unwrap_or_default();
        required.split(',').any(|name| name.trim() == self.name())
    }

    /// Whether its URL came from outside: `tests/run.sh` names in
    /// `ACCRUE_TEST_STARTED` what it has started itself.
    pub(crate) fn is_given(self) -> bool {
        let started = env::var("ACCRUE_TEST_STARTED").unwrap_or_default();
        let url = env::var(self.variable()).is_ok_and(|url| !url.is_empty());
        url && !started.split(',').any(|name| name == self.name())
    }

    /// Says that a test is skipped, in a line that the test harness does not
    /// capture, and notes it where `tests/run.sh` counts: process, test, server.
    pub(crate) fn skip(self, reason: &str) {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        let line = format!("SKIP {}: {reason} ({test})\n", self.name());
        let told = std::io::stderr().write_all(line.as_bytes());
        let noted = env::var_os("ACCRUE_TEST_SKIPS").map(|path| {
            let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
            // One write of a short line, so that parallel tests do not mix theirs.
            let noted = format!("{}\t{test}\t{}\n", std::process::id(), self.name());
            file.write_all(noted.as_bytes())
        });
        assert!(told.is_ok() && noted.is_none_or(|noted| noted.is_ok()), "a skip must not go unseen");
    }
}
