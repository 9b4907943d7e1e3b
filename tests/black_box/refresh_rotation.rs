//! kill -9 anywhere in the exchange of a refresh token: nobody is locked out, and no
//! token that was used or revoked works again.
//!
//! An exchange is read session, read user, sign, write, answer. The process dies at a
//! random moment of it, or exactly between the write and the answer, or when the answer
//! is there. What must hold afterwards is written in `docs/api.md`, under OAuth.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use accrue_testkit::{eventually, within};
use reqwest::Method;
use serde_json::{Value, json};

use crate::system::{Reply, Shape, System, send};

/// Each round ends in a kill; every third one dies at the exact place.
const ROUNDS: u32 = 12;
/// So long after its exchange a used token is refused without harm (`docs/api.md`).
const GRACE: Duration = Duration::from_secs(10);
/// The random moment lies within this time of the request, which takes a few milliseconds.
const LONGEST_EXCHANGE: Duration = Duration::from_millis(16);
const FORM: &str = "application/x-www-form-urlencoded";

/// Somebody's client: what it was last given, and what must never work again.
struct Device {
    refresh_token: String,
    access_token: String,
    dead: Vec<String>,
}

/// How rounds ended, to be told with the seed.
#[derive(Debug, Default)]
struct Seen {
    answered: u32,
    lost_before_the_write: u32,
    lost_after_the_write: u32,
    revoked: u32,
}

pub(crate) async fn a_kill_locks_nobody_out(shape: Shape) {
    let settings = [("AUTH_LIMIT_LOGIN_BY_ACCOUNT", "1000/60"), ("AUTH_LIMIT_LOGIN_BY_PEER", "1000/60")];
    let mut system = System::start_with(shape, &settings).await;
    system.register("ada").await;
    let mut chance = Chance::seeded();
    let mut device = sign_in(&system, Vec::new()).await;
    let mut seen = Seen::default();
    // The first answer that was lost after the write: when that was, and the session's id.
    let mut lost: Option<(Instant, String, String)> = None;
    for round in 0..ROUNDS {
        // A few that nothing happens to, so that the session has a history.
        for _ in 0..chance.below(3) {
            assert!(exchange_is_answered(&system, &mut device).await, "round {round}");
        }
        if round % 3 == 2 {
            let (begun, session_id) = die_after_the_write(&system, &device).await;
            system.kill_and_restart().await;
            refused(&system, &device.refresh_token).await;
            let old = device.refresh_token.clone();
            device.sign_in_again(&system).await;
            if begun.elapsed() < GRACE {
                let ids = session_ids(&system, &device).await;
                assert!(ids.contains(&session_id), "round {round}: the grace did not hold");
            }
            lost.get_or_insert((begun, session_id, old));
            seen.lost_after_the_write += 1;
            continue;
        }
        let answered = die_at_random(&system, &mut device, &mut chance).await;
        system.kill_and_restart().await;
        go_on(&system, &mut device, answered, &mut seen).await;
        if chance.below(2) == 0 {
            revoke_and_die(&mut system, &mut device).await;
            seen.revoked += 1;
        }
    }
    eprintln!("refresh rotation: seed {}, {seen:?}", chance.seed);
    assert!(seen.lost_after_the_write > 0 && seen.answered + seen.lost_before_the_write > 0, "{seen:?}");
    late_comers_end_the_session(&system, &device, lost.expect("a third of the rounds")).await;
    for token in &device.dead {
        refused(&system, token).await;
    }
    sign_in(&system, Vec::new()).await;
    system.finish(0).await;
}

/// The request is on its way when the process dies. Whether there was an answer.
async fn die_at_random(system: &System, device: &mut Device, chance: &mut Chance) -> bool {
    let moment = LONGEST_EXCHANGE.mul_f64(f64::from(chance.below(1000)) / 1000.0);
    let mut exchange = std::pin::pin!(exchange_is_answered(system, device));
    let in_time = tokio::time::timeout(moment, &mut exchange).await;
    system.processes.iter().for_each(|process| process.signal("KILL"));
    match in_time {
        Ok(answered) => answered,
        // The answer may have been on its way.
        Err(_) => exchange.await,
    }
}

/// The process dies when others can see the exchange, and the client never reads the
/// answer. When it was sent, and the session's id.
async fn die_after_the_write(system: &System, device: &Device) -> (Instant, String) {
    let current = async || {
        let reply = sessions(system, device).await;
        let session = reply.as_array()?.iter().find(|session| session["is_current"] == true)?.clone();
        Some((session["session_id"].as_str()?.to_owned(), session["last_used_at"].clone()))
    };
    let (session_id, last_used_at) = current().await.expect("the session is listed");
    let address = system.auth.socket_addrs(|| None).expect("an address")[0];
    let body = form(&device.refresh_token);
    let request = format!(
        "POST /oauth2/token HTTP/1.1\r\nHost: {address}\r\nContent-Type: {FORM}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let begun = Instant::now();
    let mut connection = TcpStream::connect(address).expect("it listens");
    connection.write_all(request.as_bytes()).expect("it is sent");
    eventually("the exchange is written", async || {
        current().await.is_some_and(|(_, now)| now != last_used_at)
    })
    .await;
    system.processes.iter().for_each(|process| process.signal("KILL"));
    (begun, session_id)
}

/// The client uses what it last received. Where that is refused the answer was lost
/// after the write, and signing in again is the way on.
async fn go_on(system: &System, device: &mut Device, answered: bool, seen: &mut Seen) {
    let reply = exchange(system, &device.refresh_token).await.expect("an answer");
    if reply.status == 200 {
        device.take(&reply);
        if answered {
            seen.answered += 1;
        } else {
            seen.lost_before_the_write += 1;
        }
        // Signing in works as well, and leaves this session alone.
        sign_in(system, Vec::new()).await;
    } else {
        assert!(!answered, "what was answered is good: {}", reply.body);
        assert_eq!((reply.status, &reply.body["error"]), (400, &"invalid_grant".into()));
        seen.lost_after_the_write += 1;
        device.sign_in_again(system).await;
    }
}

/// A revocation that was answered holds, whatever dies next.
async fn revoke_and_die(system: &mut System, device: &mut Device) {
    let revoke = system.request(Method::POST, &system.auth, "/oauth2/revoke");
    let revoke = revoke.header("Content-Type", FORM).body(format!("token={}", device.refresh_token));
    assert_eq!(send(revoke).await.expect("an answer").status, 200);
    system.kill_and_restart().await;
    refused(system, &device.refresh_token).await;
    device.sign_in_again(system).await;
}

/// A used token that comes after the grace is in two hands: its session ends.
async fn late_comers_end_the_session(
    system: &System,
    device: &Device,
    (begun, session_id, token): (Instant, String, String),
) {
    within(GRACE * 2, "the grace is over", async || begun.elapsed() > GRACE + Duration::from_secs(1)).await;
    refused(system, &token).await;
    let ids = session_ids(system, device).await;
    assert!(!ids.contains(&session_id), "the session goes on in two hands");
}

/// One exchange; whether there was an answer, which is then good.
async fn exchange_is_answered(system: &System, device: &mut Device) -> bool {
    let Ok(reply) = exchange(system, &device.refresh_token).await else { return false };
    assert_eq!(reply.status, 200, "{}", reply.body);
    device.take(&reply);
    true
}

impl Device {
    fn take(&mut self, reply: &Reply) {
        let text = |name: &str| reply.body[name].as_str().expect("text").to_owned();
        self.dead.push(std::mem::replace(&mut self.refresh_token, text("refresh_token")));
        self.access_token = text("access_token");
    }

    /// What it has is good for nothing any more.
    async fn sign_in_again(&mut self, system: &System) {
        self.dead.push(self.refresh_token.clone());
        *self = sign_in(system, std::mem::take(&mut self.dead)).await;
    }
}

async fn sign_in(system: &System, dead: Vec<String>) -> Device {
    let body = json!({"email": "ada@example.com", "password": "correct horse ada"});
    let login = system.request(Method::POST, &system.auth, "/v1/login").json(&body);
    let reply = send(login).await.expect("an answer");
    assert_eq!(reply.status, 200, "the user can sign in: {}", reply.body);
    let text = |name: &str| reply.body[name].as_str().expect("text").to_owned();
    Device { refresh_token: text("refresh_token"), access_token: text("access_token"), dead }
}

async fn sessions(system: &System, device: &Device) -> Value {
    let request = system.request(Method::GET, &system.auth, "/v1/users/me/sessions?limit=200");
    let reply = send(request.bearer_auth(&device.access_token)).await.expect("an answer");
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body["data"].clone()
}

async fn session_ids(system: &System, device: &Device) -> Vec<String> {
    let sessions = sessions(system, device).await;
    let ids = sessions.as_array().expect("a list").iter();
    ids.map(|session| session["session_id"].as_str().expect("an id").to_owned()).collect()
}

async fn exchange(system: &System, refresh_token: &str) -> Result<Reply, reqwest::Error> {
    let request = system.request(Method::POST, &system.auth, "/oauth2/token");
    send(request.header("Content-Type", FORM).body(form(refresh_token))).await
}

async fn refused(system: &System, refresh_token: &str) {
    let reply = exchange(system, refresh_token).await.expect("an answer");
    assert_eq!((reply.status, &reply.body["error"]), (400, &"invalid_grant".into()));
}

fn form(refresh_token: &str) -> String {
    format!("grant_type=refresh_token&refresh_token={refresh_token}")
}

/// Random numbers that come again with the same seed (splitmix64). The seed is
/// `ACCRUE_TEST_SEED`, or another one each time, and is told.
struct Chance {
    seed: u64,
    state: u64,
}

impl Chance {
    fn seeded() -> Self {
        let given = std::env::var("ACCRUE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
        eprintln!("refresh rotation: ACCRUE_TEST_SEED={seed}");
        Self { seed, state: seed }
    }

    fn below(&mut self, end: u32) -> u32 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        u32::try_from((mixed ^ (mixed >> 31)) % u64::from(end)).expect("it is below a u32")
    }
}
