//! The story: credits before the event, the event, the same credits after it.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use reqwest::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::PATIENCE;
use super::client::{Answer, Services};
use super::narrator::{Narrator, say};

const CREDITS: i64 = 100;

/// Whether the event can be held back until credits have been allocated.
pub(super) enum Gate<'a> {
    /// It waits in the outbox until this is called.
    Ours(Box<dyn FnOnce() + Send + 'a>),
    /// The services run elsewhere: the event comes when it comes.
    NotOurs,
}

/// Tells it.
///
/// # Errors
/// What did not hold.
pub(super) async fn tell(narrator: &mut Narrator, services: &Services, gate: Gate<'_>) -> anyhow::Result<()> {
    let tag = Uuid::new_v4().simple().to_string();
    let who = Newcomer {
        email: format!("ada-{tag}@example.com"),
        password: format!("correct horse {tag}"),
        register_key: format!("demo-register-{tag}"),
        allocate_key: format!("demo-allocate-{tag}"),
    };

    let registered = who.register(services).await?;
    let user_id = text(registered.expect(StatusCode::CREATED)?, "/user_id")?;
    narrator.held(&format!("auth registered a user: {user_id}"));

    let allocated = services.allocate(&user_id, CREDITS, &who.allocate_key).await?;
    let allocation_id = allocated_at_once(narrator, &allocated, &gate)?;

    match gate {
        Gate::Ours(open) => {
            shows_placeholder(narrator, services, &user_id).await?;
            open();
            say("the relay is let go: UserRegistered leaves the outbox");
        }
        Gate::NotOurs => say("waiting for UserRegistered to arrive, if it has not yet"),
    }
    let balance = becomes_active(narrator, services, &user_id, &who.email).await?;
    reads_their_own_account(narrator, services, &who, (&user_id, balance)).await?;
    keeps_its_allocation(narrator, services, (&user_id, balance), &allocation_id).await?;
    let first_replies = (&registered, &allocated);
    repeats_change_nothing(narrator, services, &who, (&user_id, balance), first_replies).await
}

struct Newcomer {
    email: String,
    password: String,
    register_key: String,
    allocate_key: String,
}

impl Newcomer {
    async fn register(&self, services: &Services) -> anyhow::Result<Answer> {
        services.register(&self.email, &self.password, &self.register_key).await
    }
}

fn text(body: &Value, pointer: &str) -> anyhow::Result<String> {
    let text = body.pointer(pointer).and_then(Value::as_str);
    Ok(text.with_context(|| format!("the answer has no text at {pointer}: {body}"))?.to_owned())
}

fn available(body: &Value) -> anyhow::Result<i64> {
    let available = body.pointer("/balance/available").and_then(Value::as_i64);
    available.with_context(|| format!("the answer has no balance: {body}"))
}

fn allocated_at_once(narrator: &mut Narrator, allocated: &Answer, gate: &Gate<'_>) -> anyhow::Result<String> {
    let body = allocated.expect(StatusCode::CREATED)?;
    let (id, status) = (text(body, "/allocation/id")?, text(body, "/account_status")?);
    ensure!(available(body)? >= CREDITS, "the {CREDITS} credits are not there: {body}");
    let met = match (gate, status.as_str()) {
        (_, "placeholder") => "before its event had arrived: they wait on a placeholder",
        (Gate::NotOurs, "active") => "after its event had arrived: the account is active already",
        (_, other) => anyhow::bail!("the account is {other} at the allocation"),
    };
    narrator.held(&format!("accounting took {CREDITS} credits for that user {met} (allocation {id})"));
    Ok(id)
}

async fn shows_placeholder(
    narrator: &mut Narrator,
    services: &Services,
    user_id: &str,
) -> anyhow::Result<()> {
    let answer = services.account(user_id, &[]).await?;
    let body = answer.expect(StatusCode::OK)?;
    ensure!(text(body, "/status")? == "placeholder", "the account is no placeholder: {body}");
    ensure!(body["email"].is_null(), "the account knows an address before the event: {body}");
    ensure!(available(body)? == CREDITS, "the balance is not {CREDITS}: {body}");
    narrator.held(&format!("the account is a placeholder, without an address, with {CREDITS} credits"));
    Ok(())
}

async fn becomes_active(
    narrator: &mut Narrator,
    services: &Services,
    user_id: &str,
    email: &str,
) -> anyhow::Result<i64> {
    let waited = async {
        loop {
            let answer = services.account(user_id, &[]).await?;
            let body = answer.expect(StatusCode::OK)?.clone();
            if text(&body, "/status")? == "active" {
                return anyhow::Ok(body);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let body = tokio::time::timeout(PATIENCE, waited)
        .await
        .with_context(|| format!("the account was not active after {} s", PATIENCE.as_secs()))??;
    ensure!(text(&body, "/email")? == email, "the account has another address");
    ensure!(text(&body, "/display_name")? == "Ada", "the account has another name: {body}");
    // Welcome credits, where the services give any, come on top.
    let balance = available(&body)?;
    ensure!(balance >= CREDITS, "the {CREDITS} credits are not there: {body}");
    narrator.held(&format!(
        "the event arrived: the same account is active, with address and name, and {balance} credits"
    ));
    Ok(balance)
}

async fn reads_their_own_account(
    narrator: &mut Narrator,
    services: &Services,
    who: &Newcomer,
    (user_id, balance): (&str, i64),
) -> anyhow::Result<()> {
    let token = services.log_in(&who.email, &who.password).await.context("the user cannot sign in")?;
    let own = services.account_as(&token, user_id, &[]).await?;
    ensure!(available(own.expect(StatusCode::OK)?)? == balance, "the user sees another balance");
    let other = services.account_as(&token, "somebody-else", &[]).await?;
    other.expect(StatusCode::NOT_FOUND)?;
    narrator
        .held(&format!("the user signed in and reads their own account, {balance} credits, and no other"));
    Ok(())
}

async fn keeps_its_allocation(
    narrator: &mut Narrator,
    services: &Services,
    (user_id, balance): (&str, i64),
    allocation_id: &str,
) -> anyhow::Result<()> {
    let answer = services.account(user_id, &["allocations", allocation_id]).await?;
    let body = answer.expect(StatusCode::OK)?;
    ensure!(body["remaining"] == CREDITS, "of the allocation something is missing: {body}");
    let answer = services.account(user_id, &["entries"]).await?;
    let body = answer.expect(StatusCode::OK)?;
    let entries = body["data"].as_array().context("the entries are a list")?;
    let (ours, others): (Vec<_>, Vec<_>) =
        entries.iter().partition(|entry| entry["reference"] == *allocation_id);
    ensure!(ours.len() == 1 && ours[0]["credits"] == CREDITS, "the entries are {body}");
    let are_welcome = others.iter().all(|entry| entry["kind"] == "welcome") && others.len() <= 1;
    ensure!(are_welcome, "something else was booked: {body}");
    let sum: i64 = entries.iter().filter_map(|entry| entry["credits"].as_i64()).sum();
    ensure!(sum == balance, "the entries sum to {sum}, the balance is {balance}: {body}");
    narrator.held(&format!("allocation {allocation_id} has {CREDITS} credits left, booked in one entry"));
    Ok(())
}

async fn repeats_change_nothing(
    narrator: &mut Narrator,
    services: &Services,
    who: &Newcomer,
    (user_id, balance): (&str, i64),
    (registered, allocated): (&Answer, &Answer),
) -> anyhow::Result<()> {
    let again = services.allocate(user_id, CREDITS, &who.allocate_key).await?;
    again.expect(StatusCode::CREATED)?;
    ensure!(again.is_replay && again.bytes == allocated.bytes, "the second reply differs from the first");
    let account = services.account(user_id, &[]).await?;
    ensure!(available(account.expect(StatusCode::OK)?)? == balance, "the repetition was booked");
    narrator.held("the allocation was sent again with its key: the same reply, and nothing changed");

    let again = who.register(services).await?;
    again.expect(StatusCode::CREATED)?;
    ensure!(again.is_replay && again.bytes == registered.bytes, "the second reply differs from the first");
    narrator.held("the registration was sent again with its key: the same user, and nobody new");
    Ok(())
}
