//! Both services with databases and a broker prefix of one run's own: two processes of each
//! behind links, or all in one process.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use accrue_chassis::clock::SystemClock;
use accrue_events::broker::{Broker, Depth, Topology, Trust, open};
use accrue_testkit::{TestMongo, TestPostgres, TestRabbit, within};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tempfile::TempDir;

use crate::credentials::{ALL_SCOPES, ClientCredentials, make_client, token_of};
use crate::dice::Dice;
use crate::member::{Links, Member, Service, free_url};
use crate::proxy::{Flow, Link};
use crate::reply::{Reply, send};
use crate::servers::Servers;
use crate::settings::{common, set, settings, target};
use crate::target::Target;

/// Where a system keeps what it knows.
pub(crate) enum Stores {
    Servers(Box<(TestMongo, TestPostgres, TestRabbit)>),
    Files(TempDir),
}

pub(crate) struct System {
    pub(crate) stores: Stores,
    members: Vec<(Service, Member)>,
    pub(crate) target: Target,
    /// The settings of an operator, who reaches the servers directly.
    operator: Vec<(String, String)>,
    credentials: ClientCredentials,
    broker: Option<Broker>,
}

impl System {
    /// Two processes of each service.
    pub(crate) async fn on(servers: &Servers) -> Self {
        let stores =
            (servers.mongodb.database(), servers.postgres.database().await, servers.rabbitmq.prefix());
        let dice = &mut Dice::of_this_moment();
        let (auth, accounting) = ([free_url(dice), free_url(dice)], [free_url(dice), free_url(dice)]);
        let mut members = Vec::new();
        for url in &auth {
            let links = Links::to(stores.2.url(), stores.0.url()).await;
            let mut environment = settings(&stores, &links);
            environment.push(set("AUTH_DATABASE_URL", &links.to_database.instead_of(stores.0.url())));
            environment.push(set("AUTH_LISTEN", url.authority()));
            members.push((Service::Auth, Member::new(&["auth"], environment, Some(links))));
        }
        let keys = auth[0].join("/.well-known/jwks.json").expect("a path");
        for url in &accounting {
            let links = Links::to(stores.2.url(), stores.1.url()).await;
            let mut environment = settings(&stores, &links);
            environment.push(set("ACCOUNTING_DATABASE_URL", &links.to_database.instead_of(stores.1.url())));
            environment.push(set("ACCOUNTING_LISTEN", url.authority()));
            environment.push(set("ACCOUNTING_JWKS_URL", keys.as_str()));
            members.push((Service::Accounting, Member::new(&["accounting"], environment, Some(links))));
        }
        let mut operator = common();
        operator.push(set("AUTH_DATABASE_URL", stores.0.url()));
        operator.push(set("ACCOUNTING_DATABASE_URL", stores.1.url()));
        operator.push(set("BROKER_URL", stores.2.url()));
        operator.push(set("BROKER_PREFIX", stores.2.prefix()));
        let topology = Topology::new(stores.2.prefix()).expect("a prefix");
        let broker =
            open(stores.2.url(), Trust::default(), topology, Arc::new(SystemClock)).expect("a broker");
        let target = target(auth.to_vec(), accounting.to_vec());
        Self::start(Stores::Servers(Box::new(stores)), members, target, operator, Some(broker)).await
    }

    /// All in one process, on files.
    pub(crate) async fn all_in_one() -> Self {
        let dir = accrue_testkit::data_dir();
        let dice = &mut Dice::of_this_moment();
        let (auth, accounting) = (free_url(dice), free_url(dice));
        let mut operator = common();
        operator.push(set("ACCRUE_DATA_DIR", dir.path().to_str().expect("text")));
        let mut environment = operator.clone();
        environment.push(set("AUTH_LISTEN", auth.authority()));
        environment.push(set("ACCOUNTING_LISTEN", accounting.authority()));
        let members = vec![(Service::Auth, Member::new(&[], environment, None))];
        let target = target(vec![auth], vec![accounting]);
        Self::start(Stores::Files(dir), members, target, operator, None).await
    }

    async fn start(
        stores: Stores,
        members: Vec<(Service, Member)>,
        target: Target,
        operator: Vec<(String, String)>,
        broker: Option<Broker>,
    ) -> Self {
        let credentials = ClientCredentials { id: String::new(), secret: String::new() };
        let mut system = Self { stores, members, target, operator, credentials, broker };
        system.heal().await;
        system.credentials = make_client(&system.operator, ALL_SCOPES);
        system.target.token = token_of(&system.credentials, &system.target.auth[0]).await;
        system
    }

    /// The processes of a service; the all-in-one is both.
    pub(crate) fn members(&mut self, service: Service) -> Vec<&mut Member> {
        let is_only_one = self.members.len() == 1;
        let of_it = self.members.iter_mut().filter(|(its, _)| is_only_one || *its == service);
        of_it.map(|(_, member)| member).collect()
    }

    pub(crate) fn all_members(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().map(|(_, member)| member)
    }

    /// `kill -9` of every process of a service.
    pub(crate) fn kill(&mut self, service: Service) {
        self.members(service).into_iter().for_each(Member::kill);
    }

    /// Starts those processes of a service that are down.
    pub(crate) fn restart(&mut self, service: Service) {
        self.members(service).into_iter().for_each(Member::start);
    }

    /// Every link of one service, or of both.
    pub(crate) fn links(&self, of: Option<Service>) -> Vec<&Link> {
        let members = self.members.iter().filter(|(service, _)| of.is_none_or(|of| of == *service));
        let links = members.filter_map(|(_, member)| member.links.as_ref());
        links.flat_map(|links| [&links.to_broker, &links.to_database]).collect()
    }

    pub(crate) fn broker_links(&self, of: Service) -> Vec<&Link> {
        self.links(Some(of)).into_iter().step_by(2).collect()
    }

    pub(crate) fn database_links(&self, of: Service) -> Vec<&Link> {
        self.links(Some(of)).into_iter().skip(1).step_by(2).collect()
    }

    /// Lets every link pass, starts every process, and waits until all of them serve.
    pub(crate) async fn heal(&mut self) {
        for link in self.links(None) {
            link.set_both(Flow::Pass);
        }
        for (_, member) in &mut self.members {
            member.signal("CONT");
            member.start();
        }
        for service in Service::BOTH {
            for number in 0..self.count(service) {
                self.becomes(service, number, 200, "ready").await;
            }
        }
    }

    /// How many processes of a service there are.
    pub(crate) fn count(&self, service: Service) -> usize {
        match service {
            Service::Auth => self.target.auth.len(),
            Service::Accounting => self.target.accounting.len(),
        }
    }

    /// I10: waits until a process says so of itself.
    pub(crate) async fn becomes(&self, service: Service, number: usize, status: u16, says: &str) {
        let what = format!("I10: {service:?} {number} says {status} {says}");
        within(Duration::from_mins(1), &what, async || {
            let request = self.request(Method::GET, service, number, "/healthz/ready");
            let reply = send(request.timeout(Duration::from_secs(3))).await;
            reply.is_ok_and(|reply| reply.status == status && reply.body["status"] == says)
        })
        .await;
    }

    /// A request of a service that may do anything.
    pub(crate) fn request(&self, method: Method, of: Service, number: usize, path: &str) -> RequestBuilder {
        self.target.client.request(method, self.target.url(of, number, path)).bearer_auth(&self.target.token)
    }

    pub(crate) async fn get(&self, of: Service, path: &str) -> Result<Reply, reqwest::Error> {
        send(self.request(Method::GET, of, 0, path)).await
    }

    /// All of a list that comes in pages.
    pub(crate) async fn list(&self, of: Service, path: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(of, &format!("{path}?limit=200{cursor}")).await.expect("it answers");
            assert_eq!(page.status, 200, "I10: {path}: {}", page.body);
            all.extend(page.body["data"].as_array().expect("a list").iter().cloned());
            match page.body["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    /// The account of a user, or null when there is none or no answer.
    pub(crate) async fn account(&self, user_id: &str) -> Value {
        let reply = self.get(Service::Accounting, &format!("/v1/accounts/{user_id}")).await;
        reply.map_or(Value::Null, |reply| reply.body)
    }

    /// The sum of a metric over its labels, told by one process; nothing when it does not tell.
    pub(crate) async fn metric(&self, service: Service, number: usize, name: &str) -> Option<f64> {
        let request = self.request(Method::GET, service, number, "/metrics");
        let text = String::from_utf8(send(request).await.ok()?.bytes).ok()?;
        let is_it = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
        let values =
            text.lines().filter(is_it).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.reduce(|sum, value| sum + value)
    }

    /// The sum of a counter over the processes of a service.
    pub(crate) async fn total(&self, service: Service, name: &str) -> f64 {
        let mut total = 0.0;
        for number in 0..self.count(service) {
            total += self.metric(service, number, name).await.unwrap_or(0.0);
        }
        total
    }

    /// The broker, as an operator or another producer reaches it; the all-in-one's is in it.
    pub(crate) fn broker(&self) -> Option<&Broker> {
        self.broker.as_ref()
    }

    /// What waits on the broker; nothing while it does not tell.
    pub(crate) async fn depth(&self) -> Option<Depth> {
        if let Some(broker) = &self.broker {
            return broker.depth().await.ok();
        }
        let text = self.get(Service::Accounting, "/metrics").await.ok()?.bytes;
        let text = String::from_utf8(text).ok()?;
        let of = |queue: &str| {
            let name = format!("broker_queue_depth{{queue=\"{queue}\"}} ");
            text.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok())
        };
        Some(Depth { queue: of("main")?, retry: of("retry")?, dead_letters: of("dead_letters")? })
    }

    /// Runs a command of the operator's and gives its exit code and what it said.
    pub(crate) async fn operate(&self, args: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_accrue"));
        command
            .args(args)
            .env_clear()
            .envs(self.operator.iter().cloned())
            .env("RECONCILE_AUTH_URL", self.target.auth[0].as_str())
            .env("RECONCILE_ACCOUNTING_URL", self.target.accounting[0].as_str())
            .env("RECONCILE_CLIENT_ID", &self.credentials.id)
            .env("RECONCILE_CLIENT_SECRET", &self.credentials.secret)
            .env("RECONCILE_GRACE_S", "1");
        let ran = tokio::task::spawn_blocking(move || command.output()).await;
        let output = ran.expect("it does not panic").expect("the binary runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }

    /// Runs one that must succeed.
    pub(crate) async fn operate_well(&self, args: &[&str]) -> String {
        let (code, said) = self.operate(args).await;
        assert_eq!(code, Some(0), "accrue {}: {said}", args.join(" "));
        said
    }
}
