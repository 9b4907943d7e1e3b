//! Two processes of each service, on servers of the run's own, with a link before each server.

use std::process::Command;
use std::time::Duration;

use accrue_testkit::{OwnMongo, OwnPostgres, OwnRabbit, within};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use url::Url;

use crate::addresses::{address_of, free_address};
use crate::credentials::{ALL_SCOPES, ISSUER, make_client, token_of};
use crate::load::Target;
use crate::process::Process;
use crate::proxy::{Flow, Link};
use crate::reply::{Reply, send};

/// 32 bytes that nobody need guess.
const KEY_ENCRYPTION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// Longer than any request may take: the deadline of both services is 10 s.
pub(crate) const REQUEST_LIMIT: Duration = Duration::from_secs(14);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Auth,
    Accounting,
}

impl Service {
    pub(crate) const BOTH: [Self; 2] = [Self::Auth, Self::Accounting];

    fn command(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Accounting => "accounting",
        }
    }
}

/// A process that keeps its address when it is started again.
struct Member {
    service: Service,
    url: Url,
    environment: Vec<(String, String)>,
    process: Option<Process>,
}

pub(crate) struct World {
    pub(crate) mongodb: OwnMongo,
    pub(crate) postgres: OwnPostgres,
    pub(crate) rabbitmq: OwnRabbit,
    pub(crate) auth_to_broker: Link,
    pub(crate) auth_to_database: Link,
    pub(crate) accounting_to_broker: Link,
    pub(crate) accounting_to_database: Link,
    /// The settings of an operator, who reaches the servers directly.
    operator: Vec<(String, String)>,
    members: Vec<Member>,
    target: Target,
}

impl World {
    /// Nothing where one of the three servers is not there.
    pub(crate) async fn start() -> Option<Self> {
        drop(rustls::crypto::ring::default_provider().install_default());
        let mongodb = OwnMongo::start().await?;
        let postgres = OwnPostgres::start().await?;
        let rabbitmq = OwnRabbit::start().await?;
        let mut world = Self {
            auth_to_broker: Link::to(address_of(rabbitmq.url())).await,
            auth_to_database: Link::to(address_of(mongodb.url())).await,
            accounting_to_broker: Link::to(address_of(rabbitmq.url())).await,
            accounting_to_database: Link::to(address_of(postgres.url())).await,
            operator: settings(mongodb.url(), postgres.url(), rabbitmq.url()),
            mongodb,
            postgres,
            rabbitmq,
            members: Vec::new(),
            target: Target {
                auth: Vec::new(),
                accounting: Vec::new(),
                client: Client::builder().timeout(REQUEST_LIMIT).build().expect("a client"),
                token: String::new(),
            },
        };
        world.add_members();
        for service in Service::BOTH {
            world.restart(service);
        }
        world.ready().await;
        let credentials = make_client(&world.operator, ALL_SCOPES);
        world.target.token = token_of(&credentials, world.url(Service::Auth, 0)).await;
        Some(world)
    }

    fn add_members(&mut self) {
        let through =
            |link: &Link, url: &str| url.replace(&address_of(url).to_string(), &link.address.to_string());
        let environment = settings(
            &through(&self.auth_to_database, self.mongodb.url()),
            &through(&self.accounting_to_database, self.postgres.url()),
            &through(&self.auth_to_broker, self.rabbitmq.url()),
        );
        for service in [Service::Auth, Service::Auth, Service::Accounting, Service::Accounting] {
            let address = free_address();
            let url = Url::parse(&format!("http://{address}")).expect("an address makes a URL");
            let mut environment = environment.clone();
            match service {
                Service::Auth => environment.push(("AUTH_LISTEN".to_owned(), address.to_string())),
                Service::Accounting => {
                    let keys = self.members[0].url.join("/.well-known/jwks.json").expect("a path");
                    let broker = through(&self.accounting_to_broker, self.rabbitmq.url());
                    environment.retain(|(name, _)| name != "BROKER_URL");
                    environment.push(("BROKER_URL".to_owned(), broker));
                    environment.push(("ACCOUNTING_LISTEN".to_owned(), address.to_string()));
                    environment.push(("ACCOUNTING_JWKS_URL".to_owned(), keys.into()));
                }
            }
            match service {
                Service::Auth => self.target.auth.push(url.clone()),
                Service::Accounting => self.target.accounting.push(url.clone()),
            }
            self.members.push(Member { service, url, environment, process: None });
        }
    }

    /// Where process `number`, counted from 0, of a service listens.
    pub(crate) fn url(&self, service: Service, number: usize) -> &Url {
        let mut members = self.members.iter().filter(|member| member.service == service);
        &members.nth(number).expect("there are two of each").url
    }

    /// Where clients send their requests.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// `kill -9` of every process of a service.
    pub(crate) fn kill(&mut self, service: Service) {
        for member in self.members.iter_mut().filter(|member| member.service == service) {
            if let Some(mut process) = member.process.take() {
                process.kill();
            }
        }
    }

    /// `kill -9` of one process of a service.
    pub(crate) fn kill_one(&mut self, service: Service, number: usize) {
        let mut members = self.members.iter_mut().filter(|member| member.service == service);
        if let Some(mut process) = members.nth(number).and_then(|member| member.process.take()) {
            process.kill();
        }
    }

    /// Starts those processes of a service that are down.
    pub(crate) fn restart(&mut self, service: Service) {
        for member in self.members.iter_mut().filter(|member| member.service == service) {
            let environment = &member.environment;
            member.process.get_or_insert_with(|| Process::start(&[service.command()], environment));
        }
    }

    /// Sends a signal to every process of a service.
    pub(crate) fn signal(&self, service: Service, name: &str) {
        for member in self.members.iter().filter(|member| member.service == service) {
            if let Some(process) = &member.process {
                process.signal(name);
            }
        }
    }

    /// Lets every link pass, starts every process, and waits until all of them serve.
    pub(crate) async fn heal(&mut self) {
        for link in self.links() {
            link.set_both(Flow::Pass);
        }
        for service in Service::BOTH {
            self.restart(service);
        }
        self.ready().await;
    }

    pub(crate) fn links(&self) -> [&Link; 4] {
        [
            &self.auth_to_broker,
            &self.auth_to_database,
            &self.accounting_to_broker,
            &self.accounting_to_database,
        ]
    }

    async fn ready(&self) {
        for member in &self.members {
            let what = format!("{:?} at {} is ready", member.service, member.url);
            within(Duration::from_mins(1), &what, async || {
                let reply = send(self.request(Method::GET, &member.url, "/healthz/ready")).await;
                reply.is_ok_and(|reply| reply.body["status"] == "ready")
            })
            .await;
        }
    }

    /// A request of a service that may do anything.
    pub(crate) fn request(&self, method: Method, base: &Url, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", base.as_str().trim_end_matches('/'));
        self.target.client.request(method, url).bearer_auth(&self.target.token)
    }

    pub(crate) async fn get(&self, service: Service, path: &str) -> Result<Reply, reqwest::Error> {
        send(self.request(Method::GET, self.url(service, 0), path)).await
    }

    /// The sum of a metric over the processes of a service; nothing when one does not tell.
    pub(crate) async fn metric(&self, service: Service, number: usize, name: &str) -> Option<f64> {
        let request = self.request(Method::GET, self.url(service, number), "/metrics");
        let text = String::from_utf8(send(request).await.ok()?.bytes).ok()?;
        let lines = text
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).reduce(|sum, value| sum + value)
    }

    /// Runs a command of the operator's and gives its exit code and what it said.
    pub(crate) fn operate(&self, args: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_accrue"));
        let output = command.args(args).env_clear().envs(self.operator.iter().cloned()).output();
        let output = output.expect("the binary runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }

    /// The account of a user, or null when there is none or no answer.
    pub(crate) async fn account(&self, user_id: &str) -> Value {
        let reply = self.get(Service::Accounting, &format!("/v1/accounts/{user_id}")).await;
        reply.map_or(Value::Null, |reply| reply.body)
    }
}

fn settings(mongodb: &str, postgres: &str, broker: &str) -> Vec<(String, String)> {
    let pairs = [
        ("AUTH_DATABASE_URL", mongodb),
        ("ACCOUNTING_DATABASE_URL", postgres),
        ("BROKER_URL", broker),
        ("AUTH_KEY_ENCRYPTION_KEYS", KEY_ENCRYPTION_KEY),
        ("AUTH_ISSUER", ISSUER),
        ("ACCOUNTING_TOKEN_ISSUER", ISSUER),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
