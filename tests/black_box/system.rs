//! Both services, in one shape or the other, and what a test asks of them.

use std::sync::Arc;
use std::time::Duration;

use accrue_chassis::clock::SystemClock;
use accrue_events::broker::{Broker, Depth, Topology, Trust, open};
use accrue_testkit::{TestMongo, TestPostgres, TestRabbit, eventually, within};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use crate::credentials::{ALL_SCOPES, ClientCredentials, ISSUER, make_client, token_of};
use crate::process::Process;
pub(crate) use crate::reply::{Reply, send};

/// 32 bytes that nobody need guess.
pub(crate) const KEY_ENCRYPTION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A shape, with databases and a broker of the test's own.
pub(crate) enum Shape {
    AllInOne(TempDir),
    TwoServices(Box<(TestMongo, TestPostgres, TestRabbit)>),
}

impl Shape {
    pub(crate) fn all_in_one() -> Self {
        Self::AllInOne(accrue_testkit::data_dir())
    }

    /// Nothing where one of the three servers is not there.
    pub(crate) async fn two_services() -> Option<Self> {
        let mongodb = accrue_testkit::mongodb().await?;
        let postgres = accrue_testkit::postgres().await?;
        let rabbitmq = accrue_testkit::rabbitmq().await?;
        Some(Self::TwoServices(Box::new((mongodb, postgres, rabbitmq))))
    }

    fn environment(&self) -> Vec<(String, String)> {
        let listen = "127.0.0.1:0".to_owned();
        let mut environment = vec![
            ("AUTH_LISTEN".to_owned(), listen.clone()),
            ("ACCOUNTING_LISTEN".to_owned(), listen),
            ("AUTH_ISSUER".to_owned(), ISSUER.to_owned()),
            ("ACCOUNTING_TOKEN_ISSUER".to_owned(), ISSUER.to_owned()),
        ];
        let mut set = |name: &str, value: &str| environment.push((name.to_owned(), value.to_owned()));
        match self {
            Self::AllInOne(dir) => set("ACCRUE_DATA_DIR", dir.path().to_str().expect("text")),
            Self::TwoServices(servers) => {
                let (mongodb, postgres, rabbitmq) = &**servers;
                set("AUTH_DATABASE_URL", mongodb.url());
                set("ACCOUNTING_DATABASE_URL", postgres.url());
                set("BROKER_URL", rabbitmq.url());
                set("BROKER_PREFIX", rabbitmq.prefix());
                set("AUTH_KEY_ENCRYPTION_KEYS", KEY_ENCRYPTION_KEY);
            }
        }
        environment
    }

    /// Users that are there at the first start: the administrator, where one is made.
    fn first_users(&self) -> u32 {
        match self {
            Self::AllInOne(_) => 1,
            Self::TwoServices(_) => 0,
        }
    }

    /// What is run, and which services each process serves.
    fn commands(&self) -> Vec<&'static [&'static str]> {
        match self {
            Self::AllInOne(_) => vec![&[]],
            Self::TwoServices(_) => vec![&["auth"], &["accounting"]],
        }
    }

    /// The broker, also before anything runs.
    pub(crate) fn broker(&self) -> Broker {
        let (url, topology) = match self {
            Self::AllInOne(dir) => {
                (format!("sqlite:{}/broker.db", dir.path().display()), Topology::default())
            }
            Self::TwoServices(servers) => {
                (servers.2.url().to_owned(), Topology::new(servers.2.prefix()).expect("a prefix"))
            }
        };
        open(&url, Trust::default(), topology, Arc::new(SystemClock)).expect("a broker")
    }
}

/// Both services, running.
pub(crate) struct System {
    pub(crate) auth: Url,
    pub(crate) accounting: Url,
    pub(crate) processes: Vec<Process>,
    shape: Shape,
    environment: Vec<(String, String)>,
    client: Client,
    credentials: Option<ClientCredentials>,
    /// Of a service that may do anything.
    token: String,
}

impl System {
    pub(crate) async fn start(shape: Shape) -> Self {
        Self::start_with(shape, &[]).await
    }

    /// Starts with settings besides those of the shape.
    pub(crate) async fn start_with(shape: Shape, settings: &[(&str, &str)]) -> Self {
        let mut environment = shape.environment();
        environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut system = Self::start_unready(shape, environment).await;
        system.ready().await;
        eventually("who is there from the start has an account", async || {
            let consumed = system.metric(&system.accounting, "events_consumed_total").await;
            consumed.unwrap_or(0.0) >= system.first_users()
        })
        .await;
        let credentials = make_client(&system.environment, ALL_SCOPES);
        system.token = token_of(&credentials, &system.auth).await;
        system.credentials = Some(credentials);
        system
    }

    async fn start_unready(shape: Shape, environment: Vec<(String, String)>) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder().timeout(Duration::from_secs(30)).build().expect("a client");
        let anywhere = Url::parse("http://127.0.0.1").expect("a URL");
        let (auth, accounting) = (anywhere.clone(), anywhere);
        let mut system = Self {
            auth,
            accounting,
            processes: Vec::new(),
            shape,
            environment,
            client,
            credentials: None,
            token: String::new(),
        };
        system.spawn().await;
        system
    }

    async fn spawn(&mut self) {
        let mut environment = self.environment.clone();
        self.processes.clear();
        for args in self.shape.commands() {
            let process = Process::start(args, &environment);
            // auth comes first, and accounting is told where its keys are.
            if self.processes.is_empty() {
                self.auth = process.url_of("auth").await;
                let keys = self.auth.join("/.well-known/jwks.json").expect("a path");
                environment.push(("ACCOUNTING_JWKS_URL".to_owned(), keys.into()));
                environment.push(("ACCOUNTING_AUTH_URL".to_owned(), self.auth.to_string()));
            }
            self.processes.push(process);
        }
        self.accounting = self.processes[self.processes.len() - 1].url_of("accounting").await;
    }

    /// Users that nobody registered: the administrator, where one is made at the start.
    pub(crate) fn first_users(&self) -> f64 {
        self.shape.first_users().into()
    }

    /// The client that the tests act as.
    pub(crate) fn credentials(&self) -> &ClientCredentials {
        self.credentials.as_ref().expect("one was made at the start")
    }

    /// Runs a command of the operator's, with the settings of the services.
    pub(crate) fn accrue(&self, args: &[&str]) -> std::process::Output {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_accrue"));
        command.args(args).env_clear().envs(self.environment.iter().cloned());
        command.stdin(std::process::Stdio::null()).output().expect("the binary runs")
    }

    /// A token of another client that may do only this.
    pub(crate) async fn token_for(&self, scopes: &[&str]) -> String {
        token_of(&make_client(&self.environment, scopes), &self.auth).await
    }

    /// Ends every process as by kill -9 and starts them again, on new ports.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.kill();
        self.spawn().await;
        self.ready().await;
    }

    /// Ends every process as by kill -9.
    pub(crate) fn kill(&mut self) {
        for process in &mut self.processes {
            process.kill();
        }
    }

    /// Starts what was killed, on new ports.
    pub(crate) async fn start_again(&mut self) {
        self.spawn().await;
        self.ready().await;
    }

    /// Where its databases are.
    pub(crate) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Runs `accrue` beside it, as an operator does on the same machine.
    pub(crate) async fn operate(&self, args: &[&str]) -> std::process::Output {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_accrue"));
        let credentials = self.credentials();
        command
            .args(args)
            .env_clear()
            .envs(self.environment.iter().cloned())
            .env("RECONCILE_AUTH_URL", self.auth.as_str())
            .env("RECONCILE_ACCOUNTING_URL", self.accounting.as_str())
            .env("RECONCILE_CLIENT_ID", &credentials.id)
            .env("RECONCILE_CLIENT_SECRET", &credentials.secret)
            .env("RECONCILE_GRACE_S", "2")
            .env("RECONCILE_PLACEHOLDER_AGE_S", "0");
        let ran = tokio::task::spawn_blocking(move || command.output()).await;
        ran.expect("it does not panic").expect("the binary runs")
    }

    /// The same with settings besides those of before.
    pub(crate) async fn restart_with(&mut self, settings: &[(&str, &str)]) {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.environment.extend(settings);
        self.kill_and_restart().await;
    }

    /// Waits until both serve.
    pub(crate) async fn ready(&mut self) {
        for url in [self.auth.clone(), self.accounting.clone()] {
            eventually("the services are ready", async || {
                self.get(&url, "/healthz/ready").await.is_ok_and(|reply| reply.body["status"] == "ready")
            })
            .await;
        }
    }

    /// What processes print must name nobody and give nothing away.
    pub(crate) fn check_logs(&self) {
        for process in &self.processes {
            for secret in ["@example.com", "correct horse", "argon2id", "guest:guest", "eyJ"] {
                let logs = process.logs();
                let told = logs.lines().find(|line| line.contains(secret) && !line.starts_with("curl"));
                assert_eq!(told, None, "a log line gives \"{secret}\" away");
            }
        }
    }

    /// Ends the test: nothing waits anywhere but the dead letters expected, no log
    /// gave anybody away, and every process ends with 0 when told to.
    pub(crate) async fn finish(mut self, dead_letters: u64) {
        eventually("the outbox drains", async || self.metric(&self.auth, "outbox_depth").await == Some(0.0))
            .await;
        let broker = self.shape.broker();
        let expected = Depth { queue: 0, retry: 0, dead_letters };
        let mut depth = Depth::default();
        let settled = async || {
            depth = broker.depth().await.expect("the broker can be asked");
            depth == expected
        };
        within(Duration::from_secs(45), &format!("the queues hold {expected:?}"), settled).await;
        self.check_logs();
        for process in &mut self.processes {
            process.signal("TERM");
        }
        for process in &mut self.processes {
            let exit = process.exit().await;
            assert_eq!(exit.code(), Some(0), "{}", process.logs());
        }
    }

    /// The broker, as an operator or another producer reaches it.
    pub(crate) fn broker(&self) -> Broker {
        self.shape.broker()
    }

    /// A request without a token.
    pub(crate) fn request(&self, method: Method, base: &Url, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", base.as_str().trim_end_matches('/')))
    }

    /// A request of the service that may do anything.
    pub(crate) fn service_request(&self, method: Method, base: &Url, path: &str) -> RequestBuilder {
        self.request(method, base, path).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, base: &Url, path: &str) -> Result<Reply, reqwest::Error> {
        send(self.service_request(Method::GET, base, path)).await
    }

    /// `POST /v1/users` for `name`.
    pub(crate) async fn try_register(&self, name: &str, key: Option<&str>) -> Result<Reply, reqwest::Error> {
        let body = json!({
            "email": format!("{name}@example.com"),
            "password": format!("correct horse {name}"),
            "display_name": name,
        });
        let mut request = self.request(Method::POST, &self.auth, "/v1/users").json(&body);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        send(request).await
    }

    /// Registers `name` and gives the user id.
    pub(crate) async fn register(&self, name: &str) -> String {
        let reply = self.try_register(name, None).await.expect("an answer");
        assert_eq!(reply.status, 201, "{}", reply.body);
        reply.body["user_id"].as_str().expect("a user id").to_owned()
    }

    /// `POST /v1/accounts/{user_id}/allocations`
    pub(crate) async fn allocate(
        &self,
        user_id: &str,
        credits: i64,
        key: &str,
    ) -> Result<Reply, reqwest::Error> {
        let path = format!("/v1/accounts/{user_id}/allocations");
        let request = self.service_request(Method::POST, &self.accounting, &path);
        send(request.header("Idempotency-Key", key).json(&json!({"credits": credits, "reason": "test"})))
            .await
    }

    pub(crate) async fn account(&self, user_id: &str) -> Reply {
        self.get(&self.accounting, &format!("/v1/accounts/{user_id}")).await.expect("an answer")
    }

    /// The account once its user's event has arrived.
    pub(crate) async fn active_account(&self, user_id: &str) -> Value {
        eventually(&format!("the account of {user_id} is active"), async || {
            let reply = self.account(user_id).await;
            (reply.body["status"] == "active").then_some(reply.body)
        })
        .await
    }

    /// All accounts but the first administrator's, newest first.
    pub(crate) async fn accounts(&self, limit: u32) -> Vec<Value> {
        let mut accounts = self.all("/v1/accounts", limit).await;
        accounts.retain(|account| account["email"] != "admin@accrue.invalid");
        accounts
    }

    /// Every item of a collection of accounting, through all of its pages.
    pub(crate) async fn all(&self, path: &str, limit: u32) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        let joint = if path.contains('?') { '&' } else { '?' };
        loop {
            let page = self.get(&self.accounting, &format!("{path}{joint}limit={limit}{cursor}")).await;
            let page = page.expect("an answer");
            assert_eq!(page.status, 200, "{}", page.body);
            let data = page.body["data"].as_array().expect("a list");
            assert!(data.len() <= limit as usize, "a page of {} items", data.len());
            items.extend(data.iter().cloned());
            match page.body["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    /// The value of a metric without labels, or the sum over all labels.
    pub(crate) async fn metric(&self, base: &Url, name: &str) -> Option<f64> {
        let text = self.get(base, "/metrics").await.ok()?.bytes;
        let text = String::from_utf8(text).expect("text");
        let values = text.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ') || rest.starts_with('{'))
        });
        values
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .reduce(|sum, value| sum + value)
    }
}
