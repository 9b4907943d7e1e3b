//! Both services on real servers, with a link of the test's own on every connection.

use std::sync::Arc;
use std::time::Duration;

use accrue_chassis::clock::SystemClock;
use accrue_events::broker::{Broker, Depth, Topology, Trust, open};
use accrue_testkit::{Held, Listener, TestMongo, TestPostgres, TestRabbit, eventually, within};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use url::Url;

use crate::process::Process;
use crate::proxy::Link;

const ISSUER: &str = "https://auth.test";
/// 32 bytes that nobody need guess.
const KEY_ENCRYPTION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The links, named by who connects to what.
pub(crate) struct Links {
    pub(crate) auth_to_mongodb: Link,
    pub(crate) auth_to_rabbitmq: Link,
    pub(crate) accounting_to_postgres: Link,
    pub(crate) accounting_to_rabbitmq: Link,
}

/// Both services, running.
pub(crate) struct World {
    pub(crate) links: Links,
    pub(crate) auth: Service,
    pub(crate) accounting: Service,
    client: Client,
    credentials: (String, String),
    token: String,
    servers: (TestMongo, TestPostgres, TestRabbit),
}

/// One process of a service.
pub(crate) struct Service {
    name: &'static str,
    environment: Vec<(String, String)>,
    process: Process,
    pub(crate) url: Url,
}

impl Service {
    async fn start(name: &'static str, environment: Vec<(String, String)>) -> Self {
        let process = Process::start(&[name], &environment);
        let url = process.url_of(name).await;
        Self { name, environment, process, url }
    }

    /// Ends it as by kill -9.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again, on the port that it had: others know it by that.
    pub(crate) async fn start_again(&mut self) {
        self.process = Process::start(&[self.name], &self.environment);
        self.url = self.process.url_of(self.name).await;
    }

    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }
}

fn set(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// A port that is free now: a service that is killed takes the same one again.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").and_then(|taken| taken.local_addr());
    listener.expect("a free port").port()
}

impl World {
    /// Nothing where one of the three servers is not there.
    pub(crate) async fn start() -> Option<Self> {
        let mongodb = accrue_testkit::mongodb().await?;
        let postgres = accrue_testkit::postgres().await?;
        let rabbitmq = accrue_testkit::rabbitmq().await?;
        drop(rustls::crypto::ring::default_provider().install_default());
        let links = Links {
            auth_to_mongodb: Link::to(mongodb.url()).await,
            auth_to_rabbitmq: Link::to(rabbitmq.url()).await,
            accounting_to_postgres: Link::to(postgres.url()).await,
            accounting_to_rabbitmq: Link::to(rabbitmq.url()).await,
        };
        let auth_database = links.auth_to_mongodb.instead_of(mongodb.url());
        let auth_environment = vec![
            set("AUTH_LISTEN", &format!("127.0.0.1:{}", free_port())),
            set("AUTH_DATABASE_URL", &auth_database),
            set("AUTH_KEY_ENCRYPTION_KEYS", KEY_ENCRYPTION_KEY),
            set("AUTH_ISSUER", ISSUER),
            set("AUTH_HASH_MEMORY_KIB", "8"),
            set("BROKER_URL", &links.auth_to_rabbitmq.instead_of(rabbitmq.url())),
            set("BROKER_PREFIX", rabbitmq.prefix()),
        ];
        let auth = Service::start("auth", auth_environment).await;
        let accounting_environment = vec![
            set("ACCOUNTING_LISTEN", &format!("127.0.0.1:{}", free_port())),
            set("ACCOUNTING_DATABASE_URL", &links.accounting_to_postgres.instead_of(postgres.url())),
            set("ACCOUNTING_TOKEN_ISSUER", ISSUER),
            set("ACCOUNTING_JWKS_URL", auth.url.join("/.well-known/jwks.json").expect("a path").as_str()),
            set("BROKER_URL", &links.accounting_to_rabbitmq.instead_of(rabbitmq.url())),
            set("BROKER_PREFIX", rabbitmq.prefix()),
        ];
        let accounting = Service::start("accounting", accounting_environment).await;
        let client = Client::builder().timeout(Duration::from_secs(15)).build().expect("a client");
        let credentials = (String::new(), String::new());
        let servers = (mongodb, postgres, rabbitmq);
        let token = String::new();
        let mut world = Self { links, auth, accounting, client, credentials, token, servers };
        world.ready().await;
        world.credentials = world.make_client();
        world.token = world.ask_for_token().await;
        Some(world)
    }

    /// Waits until both serve and reach the broker.
    pub(crate) async fn ready(&self) {
        for url in [&self.auth.url, &self.accounting.url] {
            within(Duration::from_mins(1), "the services are ready", async || {
                let reply = self.client.get(url.join("/healthz/ready").expect("a path")).send().await.ok()?;
                let report: Value = reply.json().await.ok()?;
                (report["status"] == "ready").then_some(())
            })
            .await;
        }
    }

    fn make_client(&self) -> (String, String) {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_accrue"))
            .args(["admin", "create-client", "--name", "faults"])
            .args(
                ["accounts:read", "credits:write", "events:admin", "users:admin"]
                    .iter()
                    .flat_map(|scope| ["--scope", scope]),
            )
            .env_clear()
            .envs(self.auth.environment.iter().cloned())
            .output()
            .expect("the binary runs");
        let told = String::from_utf8(output.stdout).expect("text");
        let value =
            |name: &str| told.lines().find_map(|line| line.strip_prefix(name)).expect("shown").to_owned();
        (value("client_id: "), value("client_secret: "))
    }

    async fn ask_for_token(&self) -> String {
        let (id, secret) = &self.credentials;
        let request = self
            .client
            .post(self.auth.url.join("/oauth2/token").expect("a path"))
            .basic_auth(id, Some(secret))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials");
        let reply: Value = request.send().await.expect("an answer").json().await.expect("JSON");
        reply["access_token"].as_str().expect("a token").to_owned()
    }

    fn request(&self, method: Method, base: &Url, path: &str) -> RequestBuilder {
        self.client.request(method, base.join(path).expect("a path")).bearer_auth(&self.token)
    }

    /// Registers `name`, who is told that it is done.
    pub(crate) async fn register(&self, name: &str) -> String {
        let body =
            json!({"email": format!("{name}@example.com"), "password": format!("correct horse {name}")});
        let request = self.request(Method::POST, &self.auth.url, "/v1/users").json(&body);
        let reply = request.send().await.expect("an answer");
        assert_eq!(reply.status(), 201);
        let body: Value = reply.json().await.expect("JSON");
        body["user_id"].as_str().expect("a user id").to_owned()
    }

    /// Allocates credits, or says with which status it was not done; none if nothing was said.
    pub(crate) async fn allocate(&self, user_id: &str, credits: i64, key: &str) -> Option<(u16, Vec<u8>)> {
        let path = format!("/v1/accounts/{user_id}/allocations");
        let request = self.request(Method::POST, &self.accounting.url, &path);
        let request = request.header("Idempotency-Key", key).json(&json!({"credits": credits}));
        let reply = request.send().await.ok()?;
        let status = reply.status().as_u16();
        Some((status, reply.bytes().await.ok()?.to_vec()))
    }

    /// The account as accounting shows it.
    pub(crate) async fn account(&self, user_id: &str) -> Option<Value> {
        let path = format!("/v1/accounts/{user_id}");
        let reply = self.request(Method::GET, &self.accounting.url, &path).send().await.ok()?;
        if reply.status() == 200 { reply.json().await.ok() } else { None }
    }

    /// Waits until all of them are active.
    pub(crate) async fn all_active(&self, user_ids: &[String]) {
        for user_id in user_ids {
            within(Duration::from_secs(90), &format!("{user_id} is active"), async || {
                self.account(user_id).await.is_some_and(|account| account["status"] == "active")
            })
            .await;
        }
    }

    /// The sum of a metric over its labels.
    pub(crate) async fn metric(&self, base: &Url, name: &str) -> f64 {
        let Ok(reply) = self.client.get(base.join("/metrics").expect("a path")).send().await else {
            return 0.0;
        };
        let text = reply.text().await.unwrap_or_default();
        let is_it = |line: &&str| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ') || rest.starts_with('{'))
        };
        text.lines().filter(is_it).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// The broker, as an operator or another producer reaches it.
    pub(crate) fn broker(&self) -> Broker {
        let rabbitmq = &self.servers.2;
        let topology = Topology::new(rabbitmq.prefix()).expect("a prefix");
        open(rabbitmq.url(), Trust::default(), topology, Arc::new(SystemClock)).expect("a broker")
    }

    /// How much waits in which queue; what is being delivered is not counted.
    pub(crate) async fn depth(&self) -> Depth {
        // While somebody has deleted the queues there is nothing to count.
        self.broker().depth().await.unwrap_or_default()
    }

    /// Every exchange and queue is gone, with what was in them.
    pub(crate) async fn lose_topology(&self) {
        self.servers.2.lose_topology().await;
    }

    /// Hears every event of users from now on.
    pub(crate) async fn listen_to_users(&self) -> Listener {
        self.servers.2.listen("users", "user.#").await
    }

    /// Holds the table of accounts so that it can be read and not written, while this lives.
    pub(crate) async fn hold_accounts(&self) -> Held {
        self.servers.1.hold("accounts").await
    }

    pub(crate) async fn deactivate(&self, user_id: &str) {
        let path = format!("/v1/users/{user_id}/deactivate");
        let reply = self.request(Method::POST, &self.auth.url, &path).send().await.expect("an answer");
        assert_eq!(reply.status(), 200);
    }

    /// Waits until each has that status.
    pub(crate) async fn check_statuses(&self, expected: &[(&str, &str)]) {
        for (user_id, status) in expected {
            within(Duration::from_mins(1), &format!("{user_id} is {status}"), async || {
                self.account(user_id).await.is_some_and(|account| account["status"] == **status)
            })
            .await;
        }
    }

    /// After all is healed: nothing waits, every user has one active account, there is no
    /// other account, and the books are right.
    pub(crate) async fn check(&self, user_ids: &[String]) {
        self.ready().await;
        within(Duration::from_mins(1), "the outbox drains", async || {
            self.metric(&self.auth.url, "outbox_depth").await == 0.0
        })
        .await;
        self.all_active(user_ids).await;
        self.check_books(user_ids).await;
    }

    /// That there is an account for each and no other, that both services agree, and that the books
    /// are right.
    pub(crate) async fn check_books(&self, user_ids: &[String]) {
        eventually("both services agree", async || self.operate(&["reconcile"]).await.0 == Some(0)).await;
        let (code, told) = self.operate(&["audit"]).await;
        assert_eq!(code, Some(0), "{told}");
        let reply = self.request(Method::GET, &self.accounting.url, "/v1/account-versions").send().await;
        let listed: Value = reply.expect("an answer").json().await.expect("JSON");
        let mut listed: Vec<&str> = listed["data"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|account| account["user_id"].as_str().expect("an id"))
            .collect();
        let mut expected: Vec<&str> = user_ids.iter().map(String::as_str).collect();
        listed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(listed, expected, "accounts of nobody, or none of somebody");
    }

    /// Ends the test: each process ends with 0 when told to.
    pub(crate) async fn end(mut self) {
        for service in [&mut self.auth, &mut self.accounting] {
            service.process.signal("TERM");
        }
        for service in [&mut self.auth, &mut self.accounting] {
            let exit = service.process.exit().await;
            assert_eq!(exit.code(), Some(0), "{}", service.process.logs());
        }
    }

    /// Runs `accrue` beside them, as an operator does.
    pub(crate) async fn operate(&self, args: &[&str]) -> (Option<i32>, String) {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_accrue"));
        command
            .args(args)
            .env_clear()
            .envs(self.auth.environment.iter().cloned())
            .envs(self.accounting.environment.iter().cloned())
            .env("RECONCILE_AUTH_URL", self.auth.url.as_str())
            .env("RECONCILE_ACCOUNTING_URL", self.accounting.url.as_str())
            .env("RECONCILE_CLIENT_ID", &self.credentials.0)
            .env("RECONCILE_CLIENT_SECRET", &self.credentials.1)
            .env("RECONCILE_GRACE_S", "1");
        let ran = tokio::task::spawn_blocking(move || command.output()).await;
        let output = ran.expect("it does not panic").expect("the binary runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    }
}
