//! A server that belongs to one test, which may kill it and start it again.

use std::env;
use std::ffi::OsStr;
use std::fs::Permissions;
use std::marker::PhantomData;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::mongodb::TestMongo;
use crate::postgres::TestPostgres;
use crate::rabbitmq::TestRabbit;
use crate::server::Server;

/// What the scripts answer when the server is not on the machine.
const ABSENT: i32 = 3;

/// A RabbitMQ broker of the test's own.
pub type OwnRabbit = OwnServer<Rabbit>;
/// A PostgreSQL server of the test's own.
pub type OwnPostgres = OwnServer<Postgres>;
/// A MongoDB server of the test's own.
pub type OwnMongo = OwnServer<Mongo>;

/// The kinds of server that a test can have for itself.
pub trait Kind {
    #[doc(hidden)]
    const SERVER: Server;
}

/// See [`OwnRabbit`].
#[derive(Debug)]
pub struct Rabbit;
/// See [`OwnPostgres`].
#[derive(Debug)]
pub struct Postgres;
/// See [`OwnMongo`].
#[derive(Debug)]
pub struct Mongo;

impl Kind for Rabbit {
    const SERVER: Server = Server::RabbitMq;
}
impl Kind for Postgres {
    const SERVER: Server = Server::Postgres;
}
impl Kind for Mongo {
    const SERVER: Server = Server::MongoDb;
}

/// A server that runs from `tests/servers/`, and stops when this value is dropped.
#[derive(Debug)]
pub struct OwnServer<K: Kind> {
    dir: TempDir,
    url: String,
    kind: PhantomData<K>,
}

impl<K: Kind> OwnServer<K> {
    /// Starts one, on data of its own. Where the server's program is not installed
    /// the test is skipped, out loud.
    ///
    /// # Panics
    /// When it does not start, or is not there and `ACCRUE_TEST_REQUIRE` names it,
    /// unless the tests were given the URL of one that runs elsewhere.
    pub async fn start() -> Option<Self> {
        Self::start_with(&[]).await
    }

    /// The same with settings for its script: see `tests/servers/`.
    ///
    /// # Panics
    /// As [`OwnServer::start`].
    pub async fn start_with(settings: &[(&str, &str)]) -> Option<Self> {
        let dir = server_dir(K::SERVER);
        let mut starting = command(K::SERVER, "start", dir.path());
        starting.envs(settings.iter().copied());
        let output = run(starting).await;
        if output.status.code() == Some(ABSENT) {
            let reason = format!("a test needs one to kill: {}", error_text(&output));
            assert!(!K::SERVER.is_required() || K::SERVER.is_given(), "{}: {reason}", K::SERVER.name());
            K::SERVER.skip(&reason);
            return None;
        }
        let url = output_of(K::SERVER, "start", &output);
        Some(Self { dir, url, kind: PhantomData })
    }

    /// Where its files lie.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its URL, which stays the same after a restart.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends it as by kill -9. Its data stays.
    ///
    /// # Panics
    /// When it is still there.
    pub async fn kill(&self) {
        output_of(K::SERVER, "kill", &call(K::SERVER, "kill", self.dir.path()).await);
    }

    /// Starts it again, on the same port and data, and waits until it answers.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&self) {
        let output = call(K::SERVER, "start", self.dir.path()).await;
        assert_eq!(output_of(K::SERVER, "restart", &output), self.url);
    }
}

impl OwnServer<Postgres> {
    /// An empty database on it, to be backed up and restored.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn database(&self) -> TestPostgres {
        TestPostgres::on(&self.url).await
    }

    /// Whether it takes a connection and answers.
    pub async fn answers(&self) -> bool {
        TestPostgres::answers(&self.url).await
    }
}

impl OwnServer<Mongo> {
    /// A database on it, to be backed up and restored.
    #[must_use]
    pub fn database(&self) -> TestMongo {
        TestMongo::on(&self.url)
    }
}

impl OwnServer<Rabbit> {
    /// A prefix that nobody else uses on it.
    #[must_use]
    pub fn prefix(&self) -> TestRabbit {
        TestRabbit::on(&self.url)
    }

    /// Runs `rabbitmqctl` with `args`, as the broker's operator does.
    ///
    /// # Panics
    /// When it fails.
    pub async fn control(&self, args: &[&str]) {
        let mut calling = command(Server::RabbitMq, "ctl", self.dir.path());
        calling.args(args);
        output_of(Server::RabbitMq, "ctl", &run(calling).await);
    }
}

impl<K: Kind> Drop for OwnServer<K> {
    fn drop(&mut self) {
        // What does not stop here is stopped by its watcher when this process ends.
        drop(command(K::SERVER, "stop", self.dir.path()).output());
    }
}

/// Open enough for the user that PostgreSQL runs as where the tests run as root.
fn server_dir(server: Server) -> TempDir {
    let mut builder = tempfile::Builder::new();
    // By this name `tests/run.sh` finds what an interrupted test has left.
    let prefix = format!("accrue-{}-server-", server.name());
    let builder = builder.prefix(&prefix).permissions(Permissions::from_mode(0o711));
    builder.tempdir().expect("a temporary directory can be made")
}

fn command(server: Server, verb: &str, dir: &Path) -> Command {
    let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../servers");
    let mut command = Command::new(scripts.join(server.name()).with_extension("sh"));
    command.args([OsStr::new(verb), dir.as_os_str()]).stdin(Stdio::null());
    // A test is no place to install software in; `tests/run.sh` has done it.
    command.env("ACCRUE_TEST_INSTALL", "no");
    command.env("ACCRUE_TEST_OWNER_PID", std::process::id().to_string());
    command
}

async fn call(server: Server, verb: &'static str, dir: &Path) -> Output {
    run(command(server, verb, dir)).await
}

async fn run(mut command: Command) -> Output {
    let called = tokio::task::spawn_blocking(move || command.output()).await;
    called.expect("the call does not panic").expect("the scripts of tests/servers can be run")
}

fn output_of(server: Server, verb: &str, output: &Output) -> String {
    assert!(output.status.success(), "{} does not {verb}: {}", server.name(), error_text(output));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn error_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpStream};

    use sqlx::{Connection as _, Executor as _, PgConnection};

    use super::*;

    #[tokio::test]
    async fn what_was_committed_outlives_a_kill() {
        let Some(server) = OwnPostgres::start().await else { return };
        let mut connection = PgConnection::connect(server.url()).await.expect("it answers");
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n").await.expect("it can be written");
        server.kill().await;
        assert!(connection.execute("SELECT 1").await.is_err(), "it is gone");
        server.restart().await;
        let mut connection = PgConnection::connect(server.url()).await.expect("it answers again");
        let kept: i32 =
            sqlx::query_scalar("SELECT n FROM kept").fetch_one(&mut connection).await.expect("kept");
        assert_eq!(kept, 7);
        let dir = server.dir.path().to_owned();
        drop(server);
        assert!(!dir.exists(), "it leaves nothing behind");
    }

    /// Nothing listens where nothing runs, and a restart takes the same port.
    async fn comes_and_goes<K: Kind>(address: impl Fn(&str) -> SocketAddr) {
        let Some(server) = OwnServer::<K>::start().await else { return };
        let address = address(server.url());
        assert!(TcpStream::connect(address).is_ok());
        server.kill().await;
        assert!(TcpStream::connect(address).is_err());
        server.restart().await;
        assert!(TcpStream::connect(address).is_ok());
        drop(server);
        assert!(TcpStream::connect(address).is_err());
    }

    /// The address in a URL such as `scheme://user@127.0.0.1:1234/path`.
    fn address(url: &str) -> SocketAddr {
        let address = url.split("://").nth(1).and_then(|rest| rest.split('/').next());
        let address = address.and_then(|address| address.rsplit('@').next());
        address.and_then(|address| address.parse().ok()).expect("an address of ours")
    }

    #[tokio::test]
    async fn a_broker_comes_and_goes() {
        comes_and_goes::<Rabbit>(address).await;
    }

    #[tokio::test]
    async fn a_mongodb_comes_and_goes() {
        comes_and_goes::<Mongo>(address).await;
    }
}
