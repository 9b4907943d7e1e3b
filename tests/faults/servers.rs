//! The three servers that all runs share, and what can be done to them.

use std::path::PathBuf;
use std::{fs, io};

use accrue_testkit::versions::{mongodb_version, postgres_version, rabbitmq_version};
use accrue_testkit::{OwnMongo, OwnPostgres, OwnRabbit};

/// Large enough for what a run writes, small enough to be filled in a moment.
const DISK: &str = "384m";

pub(crate) struct Servers {
    pub(crate) mongodb: OwnMongo,
    pub(crate) postgres: OwnPostgres,
    pub(crate) rabbitmq: OwnRabbit,
}

impl Servers {
    /// Nothing where one of the three is not there.
    pub(crate) async fn start() -> Option<Self> {
        let settings = [("ACCRUE_TEST_DISK", DISK), ("ACCRUE_TEST_POSTGRES_SETTINGS", "max_wal_size=96MB")];
        let mongodb = OwnMongo::start().await?;
        let postgres = OwnPostgres::start_with(&settings).await?;
        let rabbitmq = OwnRabbit::start().await?;
        Some(Self { mongodb, postgres, rabbitmq })
    }

    /// What runs, as it says itself, for the record.
    pub(crate) async fn names(&self) -> String {
        let names = [
            mongodb_version(self.mongodb.url()).await,
            postgres_version(self.postgres.url()).await,
            rabbitmq_version(self.rabbitmq.url()).await,
        ];
        names.map(|name| name.expect("a server says what it is")).join(", ")
    }

    /// Whether PostgreSQL has a disk of its own, as it has where the script may mount one.
    pub(crate) fn has_disk(&self) -> bool {
        let data = self.postgres.dir().join("data");
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        mounts.lines().any(|line| line.split(' ').nth(1) == data.to_str())
    }

    /// Fills the disk of PostgreSQL to its last byte.
    pub(crate) fn fill_disk(&self) {
        let mut file = fs::File::create(self.filler()).expect("a file of ours");
        let full = io::copy(&mut io::repeat(7), &mut file).expect_err("the disk has an end");
        assert_eq!(full.kind(), io::ErrorKind::StorageFull, "{full}");
    }

    pub(crate) fn clear_disk(&self) {
        fs::remove_file(self.filler()).expect("it is there");
    }

    fn filler(&self) -> PathBuf {
        self.postgres.dir().join("data/filler")
    }
}
